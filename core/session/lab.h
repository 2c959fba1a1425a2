#pragma once
// Lab: one mechanism. A lab is one file core/labs/<wing>/<lab>.cpp that ends in ORRERY_LAB(TheLab); a long one keeps its parts in
// core/labs/<wing>/<lab>/, and nothing else lies in a wing but shared/.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/expected.h"
#include "core/base/file_format.h"
#include "core/base/folder_writer.h"
#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/figure/figure.h"
#include "core/gpu/stream.h"
#include "core/session/parameter.h"
#include "core/tensor/tensor.h"

namespace orrery {

// What a lab sees while it computes: its parameters, the device, and the way to say how far it is. Used on the session's worker only.
class LabContext {
 public:
  virtual ~LabContext() = default;

  virtual gpu::Stream& stream() = 0;                         // submitted once by the session after update() or advance()
  gpu::Device& device() { return stream().device(); }

  virtual const Values& values() const = 0;
  bool flag(std::string_view id) const;
  std::int64_t integer(std::string_view id) const;
  double number(std::string_view id) const;                  // double or integer
  const std::string& text(std::string_view id) const;        // text or choice
  const Asset& file(std::string_view id) const;

  // Whether this parameter differs from the last successful update (true for all on the first).
  virtual bool changed(std::string_view id) const = 0;
  bool anyChanged(std::initializer_list<std::string_view> ids) const;

  // Whether the timeline begins anew whatever changed: the first update, or one after a failure.
  virtual bool restarting() const { return false; }

  virtual bool cancelled() const = 0;                        // return an Error{cancelled} soon when true
  virtual void progress(double fraction, std::string_view what) = 0;

  // For work that takes long and has something to show on the way. `figure` is called, within this call, when a picture is due (after 0.2 s, then
  // ten times a second at most); the window shows it until the update is done. What it draws must not be written again. Exports never see it.
  virtual void preview(const std::function<Figure()>& /*figure*/) {}
};

// A pointer action in the picture, in the panel's data coordinates.
struct PointerEvent {
  enum class Kind { press, drag, release, click } kind = Kind::click;
  std::string panel;
  std::string handle;                       // the grabbed handle's id, or empty
  double x = 0, y = 0;
  double fromX = 0, fromY = 0;              // where the press happened
  bool shift = false, control = false, alternate = false;    // secondary button or Alt: erase, remove
};

using Changes = std::vector<std::pair<std::string, Value>>;  // parameter id, new value

struct Metric {
  std::string name;                         // "sw2.left", "map", "entropy.mean": stable
  double value = 0;
  std::string unit;
};

struct Timeline {
  std::int64_t frames = 0;                  // positions 0..frames-1; 0 or 1 = the lab does not run in time
  std::string unit;                         // "step", "frame"
  double framesPerSecond = 30;              // at speed 1
  bool training = false;                    // whether to advance is to learn: a long way to a frame is told as training
};

class Lab {
 public:
  virtual ~Lab() = default;

  // A parameter changed: recompute what it touches. With a timeline, leaves the lab at frame 0. On an Error the session keeps showing the
  // last picture and shows the error in a card; the lab must stay usable.
  virtual Expected<void> update(LabContext& context) = 0;

  // Whether what changed alters the picture only: then update() leaves the lab at its frame and the kept frames stay. Never when restarting().
  virtual bool keepsTime(const LabContext&) const { return false; }

  // One step of the lab's own time; false when it was already at the last frame.
  virtual Expected<bool> advance(LabContext&) { return false; }
  virtual Timeline timeline() const { return {}; }

  // The state at the current frame, so that the session can go back: restore(frame, capture()) must continue bit-identically. Tensors are
  // values; capture() must hand out storage the lab will not write again.
  virtual std::vector<Tensor> capture() const { return {}; }
  virtual void restore(std::int64_t /*frame*/, std::vector<Tensor> /*state*/) {}

  // The picture now. No downloads of big tensors: marks refer to them.
  virtual Figure figure() const = 0;
  virtual std::vector<Metric> metrics() const { return {}; }

  // Writes the files LabEntry::files names, for the values of the last update. Checks context.cancelled(), says context.progress().
  virtual Expected<void> writeFiles(LabContext&, FolderWriter&) {
    return makeError(ErrorCode::unsupported, tr("this lab writes no data set"));
  }

  // A press, drag or click in a panel: which parameters change. Pure. Called on the session's worker.
  virtual Changes pointer(const PointerEvent&, const Values&) const { return {}; }
};

struct Preset {
  std::string id, title, help;
  Values values;                            // the others go to their defaults
};

struct View {
  std::string id, title;                    // a panel the lab can show
};

// A file this lab takes: which parameter it goes to. `accepts` gets the FileReport; a higher score is asked first (0 = no).
struct Acceptance {
  std::string kinds;                        // for people and `show`: "npz or safetensors with q, k, v"
  std::string parameter;                    // id of a FileWell parameter
  std::function<int(const FileReport&)> score;
  Values also;                              // parameters set along with it (e.g. source = file)
  // Id of a Text parameter. Several files of one folder that come together are taken as a set: `parameter` gets their folder, this one
  // their names, one per line. Empty: one file at a time.
  std::string names = {};
};

struct LabEntry {
  std::string id;                           // "generative/sde-vs-ode"
  std::string title;                        // "SDE and ODE paths"
  std::string summary;                      // "Same marginals, different paths"
  std::vector<Parameter> parameters;
  std::vector<Preset> presets;              // the first is what `--preset` lists first; defaults are not a preset
  std::vector<View> views;
  std::vector<Acceptance> accepts;
  std::vector<std::string> shaders;         // warmed before the first update
  std::function<std::unique_ptr<Lab>()> make;
  std::string files;                        // the data set writeFiles() writes: "PNG + COCO + VOC + YOLO"; empty = none

  std::string wing() const { return id.substr(0, id.find('/')); }
  const Parameter* find(std::string_view parameter) const;
  // What takes this file, and what takes these files as one set; null: nothing here does. `score` becomes the acceptance's own, of several
  // files their sum.
  const Acceptance* takes(const FileReport& report, int* score = nullptr) const;
  const Acceptance* takesTogether(std::span<const FileReport> reports, int* score = nullptr) const;
};

// Entry for registration: `static LabEntry T::describe()`.
#define ORRERY_LAB(T) \
  static const ::orrery::Registration<::orrery::LabEntry> orreryLabRegistration { T::describe() }

}  // namespace orrery
