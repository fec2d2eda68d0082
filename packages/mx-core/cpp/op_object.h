// The Python object behind Op, for the files that parse calls and run them.
#pragma once

#include <string>
#include <vector>

#include "op.h"
#include "pyerror.h"

namespace mx {

struct CacheEntry;  // plan_cache.h

struct ParamName {
  PyObject *name;  // interned, owned
  bool runtime;
  bool spread;    // a tuple of runtime numbers; its length is a static parameter
  int32_t index;  // among the static parameters, or among the scalars
};

struct Op {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject *definition;
  PyObject *name;
  PyObject *inputs;  // tuple of interned names
  std::vector<bool> *optional;
  std::vector<ParamName> *order;
  std::vector<PyObject *> *defaults;  // of the scalars, None: required
  bool variadic, mode_dependent, has_spread;
  Py_ssize_t n_inputs, n_static, n_runtime;
  PyObject *by_values;  // tuple of given values -> params
  PyObject *interned;   // params -> params
  PyObject *default_params;
  CacheEntry *last;  // the plan used last, borrowed from the cache
};

// "[relu] ", in front of every message.
std::string op_tag(const Op *op);
const char *text_of(PyObject *unicode);

// The static parameters of these values (MISSING where none was given): equal parameters are the
// same object.
Object params_for(Op *op, PyObject *const *values);
PyObject *default_params(Op *op);  // borrowed: lives as long as the operator

}  // namespace mx
