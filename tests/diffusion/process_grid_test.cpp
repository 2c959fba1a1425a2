// Noise processes (C1) and step grids (C6) against the numbers of the specification.

#include <cmath>

#include "core/diffusion/grid.h"
#include "core/diffusion/process.h"
#include "tests/support/catch.h"

using namespace orrery;
using namespace orrery::diffusion;

namespace {

std::vector<double> bars(const char* id) { return cumulativeAlphas(findRegistered<Process>(id)->betas()); }

std::vector<double> levels(const char* id, int steps, GridRequest request = {}, bool zero = true) {
  const auto result = stepLevels(*findRegistered<Grid>(id), steps, zero, request);
  INFO(id);
  REQUIRE(result.hasValue());
  return *result;
}

}  // namespace

TEST_CASE("chains end where their papers do") {
  // Five printed digits.
  CHECK(bars("ddpm-linear").back() == Approx(4.0358e-5).epsilon(2e-5));
  CHECK(bars("scaled-linear").back() == Approx(4.6601e-3).epsilon(2e-5));
  CHECK(findRegistered<Process>("cosine")->betas()[0] == Approx(4.1284e-5).epsilon(2e-5));
  CHECK(bars("cosine")[499] == Approx(0.49384).epsilon(2e-5));
  const auto linear = levelTable(*findRegistered<Process>("ddpm-linear")), scaled = levelTable(*findRegistered<Process>("scaled-linear"));
  CHECK(linear.front() == Approx(0.0100).epsilon(1e-3));
  CHECK(linear.back() == Approx(157.407).epsilon(1e-5));
  CHECK(scaled.front() == Approx(0.02917).epsilon(2e-4));
  CHECK(scaled.back() == Approx(14.6146).epsilon(1e-5));
  // SNR is nearest to 1 at step 259.
  CHECK((linear[258] < 1 && linear[259] > 1));
  CHECK(1 - linear[258] < linear[259] - 1);
  // Only the last beta of the cosine schedule is clipped.
  const auto cosine = findRegistered<Process>("cosine")->betas();
  CHECK(cosine[999] == 0.999);
  CHECK(cosine[998] < 0.999);
}

TEST_CASE("zero terminal SNR keeps the first step and ends at 0") {
  const auto before = bars("ddpm-linear"), after = bars("zero-terminal");
  CHECK(after[0] == Approx(before[0]).epsilon(1e-12));
  CHECK(after.back() == 0);
  CHECK(after[998] > 0);
}

TEST_CASE("the continuous processes have the specification's ends, and time inverts level") {
  const Process &vp = *findRegistered<Process>("vp"), &ve = *findRegistered<Process>("ve");
  CHECK(vp.at(1).alpha * vp.at(1).alpha == Approx(4.3186e-5).epsilon(2e-5));
  CHECK(vp.at(1e-3).relative() == Approx(0.010486).epsilon(5e-5));
  CHECK(vp.at(1).relative() == Approx(152.167).epsilon(1e-5));
  CHECK(ve.at(0).sigma == Approx(0.01));
  CHECK(ve.at(1).sigma == Approx(50));
  for (const Process& process : registered<Process>()) {
    INFO(process.id);
    for (const double share : {0.1, 0.5, 0.9}) {
      const double t = process.first + share * (process.last - process.first);
      CHECK(timeOf(process, process.at(t).relative()) == Approx(t).epsilon(1e-8));
    }
  }
}

TEST_CASE("diffusion of the linear SDE: the variance obeys d sigma^2 / dt = 2 f sigma^2 + g^2") {
  // f = alpha' / alpha; g^2 of VP is beta, of sub-VP beta (1 - alpha^4), of VE 2 sigma^2 ln(max / min).
  for (const double t : {0.1, 0.45, 0.9}) {
    const double beta = 0.1 + t * 19.9;
    for (const char* id : {"vp", "sub-vp", "ve"}) {
      const Moment m = findRegistered<Process>(id)->at(t);
      const std::string name = id;
      const double g2 = name == "vp" ? beta : name == "sub-vp" ? beta * (1 - std::pow(m.alpha, 4)) : 2 * m.sigma * m.sigma * std::log(5000);
      CHECK(2 * m.sigma * m.sigmaRate == Approx(2 * m.alphaRate / m.alpha * m.sigma * m.sigma + g2).epsilon(1e-10));
    }
  }
}

TEST_CASE("the Karras grid is that of the paper") {
  GridRequest request;
  const auto grid = levels("karras", 18, request);
  const double expected[] = {80, 57.586, 40.786, 28.375, 19.353, 12.910, 8.401};
  for (std::size_t i = 0; i < 7; ++i) CHECK(std::abs(grid[i] - expected[i]) < 6e-4);  // printed to three decimals
  CHECK(grid[17] == 0.002);
  CHECK(grid[18] == 0);
}

TEST_CASE("the beta grid has the quantiles of its law") {
  const double expected[] = {1, 0.9604, 0.8771, 0.7660, 0.6373, 0.5, 0.3627, 0.2340, 0.1229, 0.0396};
  for (int i = 0; i < 10; ++i) CHECK(std::abs(betaQuantile(1 - i / 10.0, 0.6, 0.6) - expected[i]) < 6e-5);
  CHECK(betaQuantile(0.3, 1, 1) == Approx(0.3).epsilon(1e-12));   // uniform
  CHECK(betaQuantile(0.49, 2, 1) == Approx(0.7).epsilon(1e-12));  // x^2
  CHECK(normalQuantile(0.975) == Approx(1.959963984540054).epsilon(1e-12));
}

TEST_CASE("grids of the libraries at the numbers their code gives") {
  GridRequest request;
  const auto table = levelTable(*findRegistered<Process>("scaled-linear"));
  CHECK(levels("normal", 20, request).front() == Approx(table[999]));
  CHECK(levels("normal", 20, request)[19] == Approx(table[0]));
  CHECK(levels("sgm-uniform", 20, request)[10] == Approx(0.5 * 0 + std::exp(0.5 * (std::log(table[499]) + std::log(table[500])))));
  CHECK(levels("simple", 20, request)[1] == table[949]);
  const auto ddim = levels("ddim-uniform", 20, request);
  CHECK(ddim[0] == table[951]);
  CHECK(ddim[19] == table[1]);
  CHECK(levels("leading", 20, request)[0] == table[951]);
  CHECK(levels("trailing", 20, request)[1] == table[949]);
  CHECK(levels("beta", 10, request)[5] == table[500]);  // rint(499.5) to even
  CHECK(levels("ays-sd15", 11, request)[1] == Approx(6.4745760956));
  CHECK(levels("ays-svd", 10, request, false)[10] == Approx(0.002));
  // linear-quadratic falls by the threshold 0.025 over the first half.
  const auto lq = levels("linear-quadratic", 20, request);
  CHECK(lq[0] == 80);
  CHECK(lq[10] == Approx(80 * 0.975));
}

TEST_CASE("the flow's shift multiplies the level, and the logit-normal grid takes equal shares of its law") {
  GridRequest request;
  request.sigmaMin = 1.0 / 99;
  request.sigmaMax = 99;
  request.shift = 1;
  const auto plain = levels("flow-shift", 11, request);
  for (std::size_t i = 0; i < 11; ++i) CHECK(plain[i] / (1 + plain[i]) == Approx(0.99 - 0.098 * static_cast<double>(i)).epsilon(1e-9));
  GridRequest shifted = request;
  shifted.shift = 3;
  shifted.sigmaMin *= 3;
  shifted.sigmaMax *= 3;
  const auto three = levels("flow-shift", 11, shifted);
  for (std::size_t i = 0; i < 11; ++i) CHECK(three[i] == Approx(3 * plain[i]).epsilon(1e-9));
  const auto normal = levels("logit-normal", 11, request);
  CHECK(normal[5] == Approx(1).epsilon(1e-9));  // the median of a symmetric range
}

TEST_CASE("every grid falls strictly to 0 for any number of steps, and says why when it cannot") {
  for (const Grid& grid : registered<Grid>()) {
    for (const int steps : {1, 2, 3, 7, 18, 50, 333}) {
      GridRequest request;
      request.custom = {10, 3, 1};
      const auto made = stepLevels(grid, steps, true, request);
      INFO(grid.id << " " << steps);
      REQUIRE(made.hasValue());
      CHECK(made->back() == 0);
      for (std::size_t i = 1; i < made->size(); ++i) CHECK((*made)[i] < (*made)[i - 1]);
      if (!grid.ownRange && grid.id != "laplace") CHECK(static_cast<int>(made->size()) == steps + 1);
    }
  }
  const Grid& karras = *findRegistered<Grid>("karras");
  GridRequest bad;
  bad.sigmaMin = 100;
  CHECK_FALSE(stepLevels(karras, 10, true, bad).hasValue());
  CHECK_FALSE(stepLevels(karras, 0, true, {}).hasValue());
  bad = {};
  bad.a = 0;
  CHECK_FALSE(stepLevels(*findRegistered<Grid>("beta"), 10, true, bad).hasValue());
  bad = {};
  bad.custom = {1, 2};
  CHECK_FALSE(stepLevels(*findRegistered<Grid>("drawn"), 10, true, bad).hasValue());
}
