#pragma once
// parallelFor: runs body(i) for i in [0, n) on a few threads; the bodies must not touch each other's data.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace orrery {

template <class Body>
void parallelFor(std::size_t n, int threads, const Body& body) {
  if (threads <= 0) threads = static_cast<int>(std::thread::hardware_concurrency());
  const std::size_t workers = std::min<std::size_t>(static_cast<std::size_t>(threads < 1 ? 1 : threads), n);
  std::atomic<std::size_t> next{0};
  auto work = [&] {
    for (std::size_t i = next.fetch_add(1); i < n; i = next.fetch_add(1)) body(i);
  };
  std::vector<std::jthread> pool;
  for (std::size_t w = 1; w < workers; ++w) pool.emplace_back(work);
  work();
}

}  // namespace orrery
