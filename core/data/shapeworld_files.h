#pragma once
// ShapeWorld as a data set on disk, in the layouts the common tools read:
//   images/shapeworld_000000.png          8-bit RGB
//   instances.json                        COCO: boxes, areas, run-length masks, crowds; image id = index + 1, category id = class + 1
//   captions.json                         COCO captions: the caption drawn for each picture
//   Annotations/shapeworld_000000.xml     PASCAL VOC: 1-based inclusive corners, truncated, difficult (a crowd is difficult)
//   labels/shapeworld_000000.txt          YOLO: class, centre and size over the image's; without crowds, which YOLO cannot express
//   classes.txt, data.yaml                names for YOLO

#include <functional>

#include "core/base/folder_writer.h"
#include "core/data/shapeworld.h"

namespace orrery {

// Scenes first .. first + count - 1. `progress` gets the share done; false = stop with Error{cancelled}.
Expected<void> writeShapeWorld(FolderWriter& folder, const shapeworld::Options& options, std::uint32_t first, std::uint32_t count, int size,
                               const std::function<bool(double)>& progress);

}  // namespace orrery
