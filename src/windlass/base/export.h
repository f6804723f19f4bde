// Marks what leaves libwindlass.so; everything else is hidden.
#pragma once

#define WINDLASS_API __attribute__((visibility("default")))
