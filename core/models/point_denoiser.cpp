#include "core/models/point_denoiser.h"

#include <limits>

#include "core/modelfile/tensor_file.h"
#include "core/models/mlp_denoiser.h"
#include "core/models/onnx_denoiser.h"

namespace orrery::models {

namespace {

template <class T>
Expected<std::shared_ptr<const PointDenoiser>> shared(Expected<T> opened) {
  if (!opened) return opened.error();
  return std::shared_ptr<const PointDenoiser>(std::make_shared<const T>(*std::move(opened)));
}

}  // namespace

double PointDenoiser::highestLevel() const {
  const diffusion::Process* process = meaning().process;
  return process == nullptr ? std::numeric_limits<double>::infinity() : process->at(process->last).relative();
}

Expected<std::shared_ptr<const PointDenoiser>> openPointDenoiser(const std::string& path, const NetworkStated& stated,
                                                                 const std::string& activation) {
  const auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  return file->format() == "onnx" ? shared(OnnxDenoiser::openForPoints(path, stated)) : shared(MlpDenoiser::open(path, stated, activation));
}

}  // namespace orrery::models
