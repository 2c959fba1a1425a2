#pragma once
// The state of a run: the coordinates of all particles, one particle after another, as one vector with the arithmetic of vectors, so that
// a sampler reads like its formula.

#include <cassert>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

namespace orrery::diffusion {

class State {
 public:
  State() = default;
  explicit State(std::size_t size, double value = 0) : values_(size, value) {}
  State(std::initializer_list<double> values) : values_(values) {}
  explicit State(std::vector<double> values) : values_(std::move(values)) {}

  std::size_t size() const { return values_.size(); }
  bool empty() const { return values_.empty(); }
  double& operator[](std::size_t i) { return values_[i]; }
  double operator[](std::size_t i) const { return values_[i]; }
  std::span<const double> values() const { return values_; }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  bool operator==(const State&) const = default;

  State& operator+=(const State& other) {
    assert(other.size() == size());
    for (std::size_t i = 0; i < size(); ++i) values_[i] += other.values_[i];
    return *this;
  }
  State& operator-=(const State& other) {
    assert(other.size() == size());
    for (std::size_t i = 0; i < size(); ++i) values_[i] -= other.values_[i];
    return *this;
  }
  State& operator*=(double factor) {
    for (double& value : values_) value *= factor;
    return *this;
  }

  // Taken by value: temporaries are written in place.
  friend State operator+(State a, const State& b) { return std::move(a += b); }
  friend State operator-(State a, const State& b) { return std::move(a -= b); }
  friend State operator*(double factor, State a) { return std::move(a *= factor); }
  friend State operator*(State a, double factor) { return std::move(a *= factor); }
  friend State operator/(State a, double divisor) { return std::move(a *= 1 / divisor); }

 private:
  std::vector<double> values_;
};

}  // namespace orrery::diffusion
