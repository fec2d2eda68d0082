#include "pyerror.h"

#include <cstring>
#include <new>
#include <unordered_map>

#include "engine.h"
#include "plan.h"
#include "storage.h"

namespace mx {

void set_error(const char *kind, const std::string &message) {
  if (!std::strcmp(kind, "MemoryError")) kind = "OutOfMemoryError";
  PyObject *type = nullptr;
  if (!std::strcmp(kind, "IndexError"))
    type = PyExc_IndexError;
  else if (!std::strcmp(kind, "TypeError"))
    type = PyExc_TypeError;
  else if (!std::strcmp(kind, "ValueError"))
    type = PyExc_ValueError;
  Object module, found;
  if (!type) {
    module = Object(PyImport_ImportModule("mx_core.errors"));
    if (module) found = Object(PyObject_GetAttrString(module.get(), kind));
    if (!found) PyErr_Clear();
    type = found ? found.get() : PyExc_RuntimeError;
  }
  Object text(
      PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()), "replace"));
  if (text) PyErr_SetObject(type, text.get());
}

void fail(const char *kind, const std::string &message) {
  set_error(kind, message);
  throw PythonError();
}

void translate_exception() {
  try {
    throw;
  } catch (const PythonError &) {
  } catch (const Interrupted &) {
    if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
  } catch (const FailureError &e) {
    set_error(e.failure->kind.c_str(), e.failure->message);
  } catch (const OutOfMemory &e) {
    set_error("OutOfMemoryError", e.message);
  } catch (const std::length_error &e) {
    set_error("ShapeError", e.what());
  } catch (const std::invalid_argument &e) {
    set_error("ShapeError", e.what());
  } catch (const std::bad_alloc &) {
    PyErr_NoMemory();
  } catch (const std::exception &e) {
    set_error("MXNetError", e.what());
  } catch (...) {
    set_error("MXNetError", "an unknown C++ exception");
  }
}

namespace {

struct CodeFile {
  bool is_own;  // of one of our packages
  std::string name;
};

// Each code object judged once; kept alive, since its address is the key.
const CodeFile &code_file(PyCodeObject *code) {
  static auto *known = new std::unordered_map<PyCodeObject *, CodeFile>;
  auto found = known->find(code);
  if (found != known->end()) return found->second;
  const char *file = PyUnicode_AsUTF8(code->co_filename);
  if (!file) PyErr_Clear();
  CodeFile entry{false, file ? file : "?"};
  for (const char *package : {"/mx_core/", "/mx_gluon/", "/mx_io/", "/mx_module/", "/mxnet/"})
    entry.is_own |= entry.name.find(package) != std::string::npos;
  Py_INCREF(code);
  return known->emplace(code, std::move(entry)).first->second;
}

}  // namespace

PythonLine python_line() {
  PyFrameObject *frame = PyEval_GetFrame();  // borrowed
  Py_XINCREF(frame);
  PythonLine line;
  while (frame) {
    PyCodeObject *code = PyFrame_GetCode(frame);
    const CodeFile &file = code_file(code);
    if (!file.is_own) line = {code, file.name.c_str(), PyFrame_GetLasti(frame)};
    Py_DECREF(code);
    if (line.code) break;
    PyFrameObject *back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = back;
  }
  Py_XDECREF(frame);
  return line;
}

std::string PythonLine::text() const {
  if (!code) return {};
  return std::string(file) + ":" + std::to_string(PyCode_Addr2Line(code, offset));
}

}  // namespace mx
