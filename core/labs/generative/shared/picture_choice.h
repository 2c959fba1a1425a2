#pragma once
// Which pictures a lab learns or knows: the choice "data" and the files behind it, the same in every lab of pictures.

#include "core/labs/generative/shared/picture_set.h"
#include "core/session/lab.h"

namespace orrery::generative {

// What the choice "data" offers: ShapeWorld three times, "patches", "folder", "array".
Choice pictureChoice();
// "image", "folder", "files" and "array", each shown where "data" asks for it; `patches` says what a picture's patches are for.
std::vector<Parameter> pictureFileParameters(std::string_view patches);
// Those, and "side", "pictures" and "bits", shown where `shown` says.
std::vector<Parameter> pictureDataParameters(bool (*shown)(const Values&));
// Of the parameters above, those that say which pictures: what changes them reads the pictures anew.
bool picturesChanged(const LabContext& context);
// The pictures that "data" and its files name; the seed places patches. Says its progress. Error: of picture_set.h and picture_array.h,
// fewer than `least` in a folder or an array; cancelled.
Expected<PictureSet> chosenPictures(LabContext& context, std::int64_t side, std::int64_t count, std::int64_t heldOut,
                                    std::int64_t least = leastPictures);

// What goes to them when it is dropped, with what `also` sets: a picture; a folder of pictures, or several pictures of one folder; an array.
// The scores are those of labs that are about pictures.
Acceptance pictureAcceptance(Values also);
Acceptance pictureFolderAcceptance(Values also);
Acceptance pictureArrayAcceptance(Values also);
// The three, with "data" set along.
std::vector<Acceptance> pictureAcceptances();

}  // namespace orrery::generative
