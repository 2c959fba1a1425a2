// Operators that act on every element by itself.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "core/base/text.h"
#include "core/models/onnx/operators.h"

namespace orrery::models::onnx {

namespace {

using kernels::Unary;
using Values = std::vector<Value>;

template <Unary f>
Values kernel(const Call& c) {
  return {c.math.unary(f, c.input(0))};
}
template <double (*f)(double)>
Values onHost(const Call& c) {
  return {c.math.unary(f, c.input(0))};
}
template <Pair f>
Values pair(const Call& c) {
  return {c.math.binary(f, c.input(0), c.input(1))};
}
// Over any number of operands.
template <Pair f>
Values fold(const Call& c) {
  Value result = c.input(0);
  for (std::size_t i = 1; i < c.inputs(); ++i) result = c.math.binary(f, result, c.input(i));
  return {result};
}

Value scalar(double v) { return {Shape{}, std::vector<double>{v}}; }
Value negated(const Arithmetic& math, const Value& truth) {
  return math.unary([](double v) { return v != 0 ? 0.0 : 1.0; }, truth, Kind::boolean);
}
// max(x, 0) and min(x, 0).
Value above(const Arithmetic& math, const Value& x) { return math.unary(Unary::relu, x); }
Value below(const Arithmetic& math, const Value& x) { return math.affine(math.unary(Unary::relu, math.affine(x, -1, 0)), -1, 0); }

double plainErf(double v) { return std::erf(v); }
// On the device from gelu(a) = a Phi(a), erf |y| = 2 Phi(sqrt 2 |y|) - 1: about 1e-6 off, as that kernel's own erf and a cut below 1e-6
// make it.
Value erfOf(const Arithmetic& math, const Value& y) {
  if (!y.onlyOnDevice()) return math.unary(plainErf, y);
  const Value a = math.binary(Pair::max, math.affine(math.unary(Unary::abs, y), std::numbers::sqrt2, 0), scalar(1e-6));
  const Value size = math.affine(math.binary(Pair::div, math.unary(Unary::gelu, a), a), 2, -1);
  const Value side = math.binary(Pair::div, y, math.binary(Pair::max, math.unary(Unary::abs, y), scalar(1e-20)));
  return math.binary(Pair::mul, size, side);
}
const Registration<Operator> erf{{"Erf", [](const Call& c) -> Values { return {erfOf(c.math, c.input(0))}; }}};

double roundEven(double v) { return std::nearbyint(v); }
double sign(double v) { return v > 0 ? 1.0 : v < 0 ? -1.0 : v; }
double plainFloor(double v) { return std::floor(v); }
double plainCeil(double v) { return std::ceil(v); }
double plainTan(double v) { return std::tan(v); }

const Registration<Operator> neg{{"Neg", kernel<Unary::neg>}}, absolute{{"Abs", kernel<Unary::abs>}}, root{{"Sqrt", kernel<Unary::sqrt>}},
    exponential{{"Exp", kernel<Unary::exp>}}, logarithm{{"Log", kernel<Unary::log>}}, sine{{"Sin", kernel<Unary::sin>}},
    cosine{{"Cos", kernel<Unary::cos>}}, hyperbolic{{"Tanh", kernel<Unary::tanh>}}, sigmoid{{"Sigmoid", kernel<Unary::sigmoid>}},
    relu{{"Relu", kernel<Unary::relu>}}, softplus{{"Softplus", kernel<Unary::softplus>}},
    reciprocal{{"Reciprocal", kernel<Unary::reciprocal>}};
const Registration<Operator> floorOf{{"Floor", onHost<plainFloor>}}, ceilOf{{"Ceil", onHost<plainCeil>}},
    roundOf{{"Round", onHost<roundEven>}}, signOf{{"Sign", onHost<sign>}}, tangent{{"Tan", onHost<plainTan>}};

const Registration<Operator> add{{"Add", pair<Pair::add>}}, sub{{"Sub", pair<Pair::sub>}}, mul{{"Mul", pair<Pair::mul>}},
    div{{"Div", pair<Pair::div>}}, sum{{"Sum", fold<Pair::add>}}, least{{"Min", fold<Pair::min>}}, most{{"Max", fold<Pair::max>}},
    equal{{"Equal", pair<Pair::equal>}}, less{{"Less", pair<Pair::less>}}, lessOrEqual{{"LessOrEqual", pair<Pair::lessOrEqual>}},
    both{{"And", pair<Pair::both>}}, either{{"Or", pair<Pair::either>}}, differ{{"Xor", pair<Pair::differ>}};
const Registration<Operator> greater{
    {"Greater", [](const Call& c) -> Values { return {c.math.binary(Pair::less, c.input(1), c.input(0))}; }}};
const Registration<Operator> greaterOrEqual{
    {"GreaterOrEqual", [](const Call& c) -> Values { return {c.math.binary(Pair::lessOrEqual, c.input(1), c.input(0))}; }}};
const Registration<Operator> negation{{"Not", [](const Call& c) -> Values { return {negated(c.math, c.input(0))}; }}};
const Registration<Operator> modulus{{"Mod", [](const Call& c) -> Values {
                                        if (c.integer("fmod", 0) != 0)
                                          throw std::invalid_argument(tr("the remainder of C (fmod) is not computed here"));
                                        return {c.math.binary(Pair::mod, c.input(0), c.input(1))};
                                      }}};
const Registration<Operator> power{{"Pow", [](const Call& c) -> Values {
                                      // Squares, and products with themselves, without exp and log.
                                      const Value& exponent = c.input(1);
                                      if (exponent.host && exponent.count() == 1 && exponent.shape.rank() <= c.input(0).shape.rank()) {
                                        if (exponent.host->front() == 2) return {c.math.binary(Pair::mul, c.input(0), c.input(0))};
                                        if (exponent.host->front() == 0.5 && c.input(0).kind == Kind::real)
                                          return {c.math.unary(Unary::sqrt, c.input(0))};
                                      }
                                      return {c.math.binary(Pair::pow, c.input(0), exponent)};
                                    }}};
const Registration<Operator> choice{{"Where", [](const Call& c) -> Values { return {c.math.where(c.input(0), c.input(1), c.input(2))}; }}};

const Registration<Operator> leakyRelu{{"LeakyRelu", [](const Call& c) -> Values {
                                          const Value& x = c.input(0);
                                          const Value low = c.math.affine(below(c.math, x), c.real("alpha", 0.01), 0);
                                          return {c.math.binary(Pair::add, above(c.math, x), low)};
                                        }}};
const Registration<Operator> pRelu{{"PRelu", [](const Call& c) -> Values {
                                      const Value low = c.math.binary(Pair::mul, below(c.math, c.input(0)), c.input(1));
                                      return {c.math.binary(Pair::add, above(c.math, c.input(0)), low)};
                                    }}};
// alpha (e^x - 1) below 0, times gamma.
Values eluOf(const Call& c, double alpha, double gamma) {
  const Value& x = c.input(0);
  const Value low = c.math.affine(c.math.unary(Unary::exp, below(c.math, x)), alpha, -alpha);
  return {c.math.affine(c.math.binary(Pair::add, above(c.math, x), low), gamma, 0)};
}
const Registration<Operator> elu{{"Elu", [](const Call& c) { return eluOf(c, c.real("alpha", 1), 1); }}};
const Registration<Operator> selu{
    {"Selu",
     [](const Call& c) { return eluOf(c, c.real("alpha", 1.67326319217681884765625), c.real("gamma", 1.05070102214813232421875)); }}};
Values geluOf(const Call& c) { return {c.math.unary(c.text("approximate", "none") == "tanh" ? Unary::geluTanh : Unary::gelu, c.input(0))}; }
const Registration<Operator> gelu{{"Gelu", geluOf}}, geluOfRuntime{{"com.microsoft.Gelu", geluOf}};
const Registration<Operator> swish{
    {"Swish", [](const Call& c) -> Values {
       const double alpha = c.real("alpha", 1);
       if (alpha == 1) return {c.math.unary(Unary::silu, c.input(0))};
       return {c.math.binary(Pair::mul, c.input(0), c.math.unary(Unary::sigmoid, c.math.affine(c.input(0), alpha, 0)))};
     }}};
const Registration<Operator> mish{
    {"Mish", [](const Call& c) -> Values {
       return {c.math.binary(Pair::mul, c.input(0), c.math.unary(Unary::tanh, c.math.unary(Unary::softplus, c.input(0))))};
     }}};

// Between two bounds, either of which may be left out; before version 11 they are attributes.
const Registration<Operator> clip{{"Clip", [](const Call& c) -> Values {
                                     Value x = c.input(0);
                                     const Value *low = c.optional(1), *high = c.optional(2);
                                     const Value lowest = scalar(c.real("min", 0)), highest = scalar(c.real("max", 0));
                                     if (low == nullptr && c.has("min")) low = &lowest;
                                     if (high == nullptr && c.has("max")) high = &highest;
                                     if (low != nullptr) x = c.math.binary(Pair::max, x, *low);
                                     if (high != nullptr) x = c.math.binary(Pair::min, x, *high);
                                     return {x};
                                   }}};
const Registration<Operator> hardSigmoid{{"HardSigmoid", [](const Call& c) -> Values {
                                            const Value line = c.math.affine(c.input(0), c.real("alpha", 0.2), c.real("beta", 0.5));
                                            return {c.math.binary(Pair::min, c.math.unary(Unary::relu, line), scalar(1))};
                                          }}};
const Registration<Operator> hardSwish{{"HardSwish", [](const Call& c) -> Values {
                                          const Value gate = c.math.binary(
                                              Pair::min, c.math.unary(Unary::relu, c.math.affine(c.input(0), 1.0 / 6, 0.5)), scalar(1));
                                          return {c.math.binary(Pair::mul, c.input(0), gate)};
                                        }}};

const Registration<Operator> identity{{"Identity", [](const Call& c) -> Values { return {c.input(0)}; }}};
// Networks are run, not trained: nothing is dropped.
const Registration<Operator> dropout{{"Dropout", [](const Call& c) -> Values {
                                        Values result{c.input(0)};
                                        if (c.outputs > 1) result.push_back(c.math.filled(c.input(0).shape, 1, Kind::boolean));
                                        return result;
                                      }}};
// Numbers keep double precision whatever real type they are cast to.
Kind kindOfType(std::int64_t type) {
  if (type == 1 || type == 10 || type == 11 || type == 16) return Kind::real;
  if (type == 9) return Kind::boolean;
  if ((type >= 2 && type <= 7) || type == 12 || type == 13) return Kind::integer;
  throw std::invalid_argument(trf("a cast to {} is not made here", modelfile::onnxTypeName(type)));
}
const Registration<Operator> cast{
    {"Cast", [](const Call& c) -> Values { return {c.math.cast(c.input(0), kindOfType(c.integer("to", 1)))}; }}};
const Registration<Operator> castLike{{"CastLike", [](const Call& c) -> Values { return {c.math.cast(c.input(0), c.input(1).kind)}; }}};

}  // namespace

}  // namespace orrery::models::onnx
