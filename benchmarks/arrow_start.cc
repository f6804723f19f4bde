// The control of the start-up benchmark: an empty program linked to Arrow and Parquet. The two
// calls only keep the linker from dropping the libraries.
#include <arrow/config.h>
#include <parquet/properties.h>

int main() {
  return arrow::GetBuildInfo().version_major > 0 && parquet::default_writer_properties() ? 0 : 1;
}
