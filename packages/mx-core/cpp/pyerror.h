// Between C++ exceptions and Python's, and where in the user's program we are.
#pragma once

#include <Python.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace mx {

// A Python exception is set; unwinds to the next C entry point.
struct PythonError {};

// Sets the exception class mx_core.errors.<kind> (or builtin MemoryError etc.) with the message.
void set_error(const char *kind, const std::string &message);
[[noreturn]] void fail(const char *kind, const std::string &message);

// Translates the C++ exception in flight into the current Python exception. Call inside catch
// (...).
void translate_exception();

// Runs body() and returns its PyObject*, or nullptr with the Python exception set.
template <typename Body>
PyObject *guarded(Body body) {
  try {
    return body();
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

template <typename Body>
int guarded_int(Body body) {
  try {
    return body();
  } catch (...) {
    translate_exception();
    return -1;
  }
}

// The innermost line of Python outside our own packages, found when work is queued, spelled out
// only if it fails: on a worker, without the GIL (which the thread that waits for that worker may
// hold). So the code object is kept alive for good, in a table, and only its immutable line table
// is read.
struct PythonLine {
  PyCodeObject *code = nullptr;
  const char *file = nullptr;
  int offset = 0;
  std::string text() const;  // "train.py:12"
};
PythonLine python_line();

// Owned reference.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject *owned) : p_(owned) {}
  Object(const Object &) = delete;
  Object(Object &&o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Object &operator=(Object &&o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Object() { Py_XDECREF(p_); }
  static Object borrow(PyObject *p) {
    Py_XINCREF(p);
    return Object(p);
  }
  PyObject *get() const { return p_; }
  PyObject *release() { return std::exchange(p_, nullptr); }
  explicit operator bool() const { return p_ != nullptr; }

 private:
  PyObject *p_ = nullptr;
};

// Checks a new reference returned by the C API; throws PythonError for nullptr.
inline Object checked(PyObject *owned) {
  if (!owned) throw PythonError();
  return Object(owned);
}

}  // namespace mx
