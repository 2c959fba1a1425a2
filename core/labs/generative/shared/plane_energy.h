#pragma once
// Laws of the plane known by an energy U alone: p(x) = e^-U(x) / Z. Source: Rezende and Mohamed 2015, table 1 (U1 to U4). Their U2 to U4
// have no finite integral over the plane, since they leave one coordinate free: here walls rise from |coordinate| = 4 on, 0.5 (excess /
// 0.2)^2, and make them laws of the canvas. Z is summed over cells of 0.01. Units: data units, nats.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"
#include "core/kernels/mixture.h"
#include "core/nn/operations.h"

namespace orrery::generative {

class PlaneEnergy {
 public:
  // "u1" ... "u4".
  explicit PlaneEnergy(std::string_view id);
  double operator()(double x, double y) const;
  nn::Variable onTape(const nn::Variable& x) const;  // [n, 2] -> [n]
  double logMass() const { return logMass_; }        // ln Z
  static constexpr double reach = 4;                 // half the side of the canvas between the walls
  // Pairs drawn from the law, uniform within a cell: pair j takes philox (j, 0, purpose, 0).
  std::vector<double> draw(std::uint64_t seed, std::size_t count, std::uint32_t purpose) const;

 private:
  int kind_;
  double logMass_ = 0;
  std::vector<double> cumulative_;  // over the cells, row by row
};

// -ln p of a mixture, [n, 2] -> [n], differentiable. Error: badInput, when a component has no width: such an energy has no finite integral.
Expected<nn::Variable> mixtureEnergy(const std::vector<kernels::Component>& components, const nn::Variable& x);

}  // namespace orrery::generative
