// How fast pages go to files and come back, as sessions move them: encrypted, through the transfer's thread.
#pragma once

#include "runtime/engine/calibration.h"

namespace leoam {

// Sets the rates of the disk, within two seconds; `folder` is made when it is missing. Fails with cancelled,
// out_of_memory, and as the file system does; then the rates are 0.
Status measure_disk(FileSystem& files, const std::string& folder, const CancelFlag* cancel, Rates* rates);

}  // namespace leoam
