#include "core/labs/generative/shared/picture_choice.h"

#include "core/base/text.h"
#include "core/labs/generative/shared/picture_array.h"

namespace orrery::generative {

namespace {

bool dataIs(const Values& values, std::string_view wanted) { return std::get<std::string>(values.find("data")->second) == wanted; }

}  // namespace

Choice pictureChoice() {
  return {{{"single", "ShapeWorld: one shape"},
           {"scene", "ShapeWorld: scenes"},
           {"dense", "ShapeWorld: many shapes"},
           {"patches", "Patches of your picture"},
           {"folder", "A folder of pictures"},
           {"array", "An array of pictures"}}};
}

std::vector<Parameter> pictureFileParameters(std::string_view patches) {
  return {
      {"image", "Your picture", std::string(patches), "Data", Asset{}, FileWell{{"image"}, false}, "",
       [](const Values& v) { return dataIs(v, "patches"); }},
      {"folder", "Your folder", "PNG or JPEG pictures; the middle square of each is taken.", "Data", Asset{}, FileWell{{"pictures"}, true}, "",
       [](const Values& v) { return dataIs(v, "folder"); }},
      {"files", "Only these files", "Names of files of the folder, one per line; empty takes all its pictures.", "Data", std::string(),
       Text{true, 1 << 20}, "", [](const Values& v) { return dataIs(v, "folder"); }},
      {"array", "Your array", "npy or npz: N×H×W, N×H×W×C or N×C×H×W; bytes, or floats in 0 … 1 or −1 … 1.", "Data", Asset{},
       FileWell{{"npy", "npz"}, false}, "", [](const Values& v) { return dataIs(v, "array"); }},
  };
}

std::vector<Parameter> pictureDataParameters(bool (*shown)(const Values&)) {
  const auto whole = [](std::int64_t v) { return Value(v); };
  auto parameters = pictureFileParameters("PNG or JPEG: the flow learns its patches.");
  parameters.insert(parameters.end(),
                    {{"side", "Side of a picture", "Pictures are side × side pixels in colour.", "Data", whole(16), Integer{8, 64}, "px", shown},
                     {"pictures", "Training pictures", "How many there are to learn from; 32 others are held out.", "Data", whole(1024),
                      Integer{64, 8192, true}, "", shown},
                     {"bits", "Bits per value n", "Colours keep this many bits; fewer bits leave the flow less to learn.", "Data", whole(5),
                      Integer{2, 8}, "", shown}});
  return parameters;
}

bool picturesChanged(const LabContext& context) {
  return context.anyChanged({"data", "image", "folder", "files", "array", "side"}) || (context.text("data") == "patches" && context.changed("seed"));
}

Expected<PictureSet> chosenPictures(LabContext& context, std::int64_t side, std::int64_t count, std::int64_t heldOut, std::int64_t least) {
  const std::string& data = context.text("data");
  const auto seed = static_cast<std::uint64_t>(context.integer("seed"));
  const Watch watch = [&](double done) {
    context.progress(done, tr("Reading the pictures"));
    return !context.cancelled();
  };
  if (data == "patches" || data == "folder" || data == "array") watch(-1);
  else context.progress(-1, tr("Drawing the pictures"));
  if (data == "patches") return patchesOf(context.file("image").path, side, count, heldOut, seed);
  if (data == "folder") return folderOf(context.file("folder").path, side, count, heldOut, least, context.text("files"), watch);
  if (data == "array") return arrayOf(context.file("array").path, side, count, heldOut, least, watch);
  const auto profile = data == "scene"   ? shapeworld::Profile::scene
                       : data == "dense" ? shapeworld::Profile::dense
                                         : shapeworld::Profile::single;
  return shapeWorldSet(context.stream(), profile, side, count, heldOut);
}

Acceptance pictureAcceptance(Values also) {
  Acceptance picture;
  picture.kinds = "a picture (PNG or JPEG): its patches";
  picture.parameter = "image";
  picture.also = std::move(also);
  picture.score = [](const FileReport& report) { return !report.error && report.kind == "image" ? 45 : 0; };
  return picture;
}

Acceptance pictureFolderAcceptance(Values also) {
  Acceptance folder;
  folder.kinds = "a folder of pictures, or several pictures at once";
  folder.parameter = "folder";
  folder.names = "files";
  folder.also = std::move(also);
  // One picture alone goes to its patches, which score higher.
  folder.score = [](const FileReport& report) {
    return report.error ? 0 : report.kind == "pictures" ? 60 : report.kind == "image" ? 10 : 0;
  };
  return folder;
}

Acceptance pictureArrayAcceptance(Values also) {
  Acceptance array;
  array.kinds = "an array of pictures (npy, npz)";
  array.parameter = "array";
  array.also = std::move(also);
  array.score = [](const FileReport& report) {
    if (report.error || (report.kind != "npy" && report.kind != "npz")) return 0;
    for (const TensorSummary& tensor : report.tensors) {
      if (isPictureArray(tensor)) return 50;
    }
    return 0;
  };
  return array;
}

std::vector<Acceptance> pictureAcceptances() {
  const auto data = [](const char* id) { return Values{{"data", std::string(id)}}; };
  return {pictureAcceptance(data("patches")), pictureFolderAcceptance(data("folder")), pictureArrayAcceptance(data("array"))};
}

}  // namespace orrery::generative
