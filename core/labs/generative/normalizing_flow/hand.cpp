// One layer from latents to data in the hand (Rezende and Mohamed 2015, eq. 10 and 14): x = z + u' tanh(w z + b), whose plane w z + b = 0
// stays where it is, or x = z + beta (z - c) / (alpha + r), whose centre stays and whose ring of radius alpha becomes one of radius alpha +
// beta / 2. What stays has the same place on both sides: handles lie on the model's density.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/labs/generative/normalizing_flow/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

namespace {

double numberOf(const Values& values, std::string_view id) { return std::get<double>(values.find(id)->second); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double inverseSoftplus(double y) { return y > 30 ? y : std::log(std::expm1(y)); }
Value within(double v) { return std::clamp(v, -5.0, 5.0); }

// u' = u + (softplus(w u) - 1 - w u) w / |w|^2.
std::array<double, 2> pushOf(double w1, double w2, double u1, double u2) {
  const double along = w1 * u1 + w2 * u2, steer = (softplus(along) - 1 - along) / (w1 * w1 + w2 * w2);
  return {u1 + steer * w1, u2 + steer * w2};
}
// The point of the plane nearest to the origin.
std::array<double, 2> footOf(double w1, double w2, double b) {
  const double scale = -b / (w1 * w1 + w2 * w2);
  return {scale * w1, scale * w2};
}

constexpr double leastSteepness = 0.02, leastRadius = 0.05;  // how near to a singular layer a drag goes

}  // namespace

NormalizingFlow::HandLayer NormalizingFlow::handOf(const Values& values) {
  return {numberOf(values, "hand-w1"), numberOf(values, "hand-w2"),    numberOf(values, "hand-u1"),
          numberOf(values, "hand-u2"), numberOf(values, "hand-b"),     numberOf(values, "hand-x"),
          numberOf(values, "hand-y"),  numberOf(values, "hand-alpha"), numberOf(values, "hand-beta")};
}

Expected<nn::Weights> NormalizingFlow::handWeights(Hand hand, const HandLayer& l) {
  const auto tensor = [](std::initializer_list<double> values) {
    return Tensor::from(Shape{static_cast<std::int64_t>(values.size())}, std::vector<float>(values.begin(), values.end()));
  };
  if (hand == Hand::plane) {
    if (l.w1 == 0 && l.w2 == 0) {
      return makeError(ErrorCode::badInput, tr("A planar layer with w = 0 has no plane to bend along: give w a direction"));
    }
    return nn::Weights{{"layers.0.w", tensor({l.w1, l.w2})}, {"layers.0.u", tensor({l.u1, l.u2})}, {"layers.0.b", tensor({l.b})}};
  }
  if (!(l.alpha > 0)) {
    return makeError(ErrorCode::badInput, trf("The radius α of a radial layer must be positive, found {:g}", l.alpha));
  }
  if (!(l.beta > -l.alpha)) {
    return makeError(
        ErrorCode::badInput,
        trf("A radial layer with β = {:g} and α = {:g} folds the plane at its centre: β must be more than −α", l.beta, l.alpha));
  }
  return nn::Weights{{"layers.0.centre", tensor({l.x, l.y})},
                     {"layers.0.a", tensor({inverseSoftplus(l.alpha)})},
                     {"layers.0.b", tensor({inverseSoftplus(l.beta + l.alpha)})}};
}

void NormalizingFlow::addHand(Panel& panel) const {
  const HandLayer& l = layer_;
  const auto line = [&](const char* id, const std::vector<double>& x, const std::vector<double>& y, Paint paint, float width) {
    auto curve = curveOf(id, x, y, paint);
    curve->width = width;
    panel.marks.push_back(curve);
    return curve;
  };
  const auto handle = [&](const char* id, double x, double y, std::string what) {
    panel.handles.push_back({id, x, y, Handle::Kind::point, std::move(what)});
  };
  const Paint light = Paint::custom({1, 1, 1, 0.9f}), bright = Paint::series(5);
  if (hand_ == Hand::plane) {
    const auto foot = footOf(l.w1, l.w2, l.b), push = pushOf(l.w1, l.w2, l.u1, l.u2);
    const double length = std::hypot(l.w1, l.w2), far = 3 * half(0), dx = -l.w2 / length * far, dy = l.w1 / length * far;
    line("plane", {foot[0] - dx, foot[0] + dx}, {foot[1] - dy, foot[1] + dy}, light, 1.2f);
    line("direction", {foot[0], foot[0] + l.w1}, {foot[1], foot[1] + l.w2}, light, 1.0f)->dash = {2, 2};
    line("push", {foot[0], foot[0] + push[0]}, {foot[1], foot[1] + push[1]}, bright, 2);
    handle("hand-plane", foot[0], foot[1], tr("the plane w z + b = 0"));
    handle("hand-direction", foot[0] + l.w1, foot[1] + l.w2, tr("w: across the plane; longer is steeper"));
    handle("hand-push", foot[0] + push[0], foot[1] + push[1], tr("u: where points beyond the plane go"));
    return;
  }
  std::vector<double> x, y, ringX, ringY;
  constexpr int corners = 96;
  for (int i = 0; i <= corners; ++i) {
    const double angle = 2 * std::numbers::pi * i / corners;
    x.push_back(l.x + l.alpha * std::cos(angle)), y.push_back(l.y + l.alpha * std::sin(angle));
    ringX.push_back(l.x + (l.alpha + 0.5 * l.beta) * std::cos(angle)), ringY.push_back(l.y + (l.alpha + 0.5 * l.beta) * std::sin(angle));
  }
  line("ring", x, y, light, 1.0f)->dash = {2, 2};
  line("moved-ring", ringX, ringY, bright, 1.4f);
  handle("hand-centre", l.x, l.y, tr("the centre"));
  handle("hand-radius", l.x + l.alpha, l.y, tr("radius α"));
  handle("hand-strength", l.x, l.y + l.alpha + 0.5 * l.beta, tr("where the ring goes: α + β / 2"));
}

Changes NormalizingFlow::handChanges(const PointerEvent& event, const Values& values) const {
  const HandLayer l = handOf(values);
  const auto foot = footOf(l.w1, l.w2, l.b);
  if (event.handle == "hand-plane") return {{"hand-b", within(-(l.w1 * event.x + l.w2 * event.y))}};
  if (event.handle == "hand-direction") {
    // The foot lies along w too: the plane turns about the origin and keeps its distance, and w takes up the rest.
    const double away = std::hypot(event.x, event.y), distance = -l.b / std::hypot(l.w1, l.w2);
    if (away == 0) return {};
    const double length = std::max(away - distance, leastRadius), w1 = length * event.x / away, w2 = length * event.y / away;
    return {{"hand-w1", within(w1)}, {"hand-w2", within(w2)}, {"hand-b", within(-distance * length)}};
  }
  if (event.handle == "hand-push") {
    // The u whose u' is here: w u' = softplus(w u) - 1.
    double x = event.x - foot[0], y = event.y - foot[1];
    const double square = l.w1 * l.w1 + l.w2 * l.w2, wanted = l.w1 * x + l.w2 * y, along = std::max(wanted, -1 + leastSteepness);
    x += (along - wanted) * l.w1 / square, y += (along - wanted) * l.w2 / square;
    const double steer = (inverseSoftplus(along + 1) - along) / square;
    return {{"hand-u1", within(x + steer * l.w1)}, {"hand-u2", within(y + steer * l.w2)}};
  }
  if (event.handle == "hand-centre") return {{"hand-x", within(event.x)}, {"hand-y", within(event.y)}};
  const double away = std::hypot(event.x - l.x, event.y - l.y);
  if (event.handle == "hand-radius") {
    const double alpha = std::clamp(away, leastRadius, 5.0);
    return {{"hand-alpha", alpha}, {"hand-beta", within(std::max(l.beta, leastSteepness - alpha))}};
  }
  if (event.handle == "hand-strength") return {{"hand-beta", within(std::max(2 * (away - l.alpha), leastSteepness - l.alpha))}};
  return {};
}

}  // namespace orrery::generative
