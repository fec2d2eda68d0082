// What the binding files share.
#pragma once

#include <pybind11/pybind11.h>

#include "pyerror.h"

namespace mx {

// Runs body() -> py::object inside a pybind11 function; our exceptions become Python's.
template <typename Body>
pybind11::object call_python(Body body) {
  try {
    return body();
  } catch (const pybind11::error_already_set &) {
    throw;
  } catch (...) {
    translate_exception();
    throw pybind11::error_already_set();
  }
}

void bind_device(pybind11::module_ &m);
void bind_plan(pybind11::module_ &m);
void bind_profile(pybind11::module_ &m);

}  // namespace mx
