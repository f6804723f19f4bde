// Files behind Arrow's file systems: s3:// and what else a URI may name.
#pragma once

#include <arrow/filesystem/type_fwd.h>
#include <arrow/io/type_fwd.h>

#include <memory>
#include <string>

namespace windlass::table {

struct RemotePlace {
  std::string path;                               // within `system`
  std::shared_ptr<arrow::fs::FileSystem> system;  // null: a path of this machine (file://)

  bool is_local() const { return system == nullptr; }
};

// Credentials and the server come from the environment, as the AWS SDK reads it: AWS_ACCESS_KEY_ID
// and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL.
//
// `name` is what messages call the URI. Throws Error{kInvalidInput} for a URI that no file system
// understands.
RemotePlace FindRemote(const std::string& uri, const std::string& name);

// A file whose every read ends: with the bytes, an error, or Status::Cancelled when the user
// interrupts the process. A server that does not answer is given up after half a minute.
//
// Throws Error{kNotFound} (telling a missing bucket from a missing file), Error{kIo} for a server
// that cannot be reached or refuses access, Error{kCancelled}.
std::shared_ptr<arrow::io::RandomAccessFile> OpenRemoteFile(const RemotePlace& place,
                                                            const std::string& name);

}  // namespace windlass::table
