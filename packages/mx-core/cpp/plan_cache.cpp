#include "plan_cache.h"

#include <algorithm>

namespace mx {

Plan &plan_from_object(PyObject *o);  // bind_plan.cpp

namespace {

class PlanCache {
 public:
  CacheEntry *find(uint64_t hash, const CacheEntry &key, const uintptr_t *types, size_t n) {
    for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
      CacheEntry *e = table_[i];
      if (!e) return nullptr;
      if (e->hash == hash && matches(*e, key, types, n)) return e;
    }
  }
  static bool matches(const CacheEntry &e, const CacheEntry &k, const uintptr_t *types, size_t n) {
    return e.op == k.op && e.params.get() == k.params.get() && e.device == k.device &&
           e.train == k.train && e.absent == k.absent && e.types.size() == n &&
           std::equal(types, types + n, e.types.data());
  }
  CacheEntry *insert(std::unique_ptr<CacheEntry> entry) {
    if (count_ >= kLimit) evict();
    if ((count_ + 1) * 2 > table_.size()) rebuild(table_.size() * 2);
    CacheEntry *e = entry.release();
    place(e);
    ++count_;
    return e;
  }
  void clear() {
    for (CacheEntry *&e : table_)
      if (e) {
        if (e->op->last == e) e->op->last = nullptr;
        delete std::exchange(e, nullptr);
      }
    count_ = 0;
  }
  void forget(const Op *op) {
    std::vector<CacheEntry *> dead;
    for (CacheEntry *&e : table_)
      if (e && e->op == op) dead.push_back(std::exchange(e, nullptr));
    if (dead.empty()) return;
    count_ -= dead.size();
    rebuild(table_.size());
    for (CacheEntry *e : dead) delete e;
  }
  uint64_t tick = 0, hits = 0, misses = 0, evictions = 0;
  size_t size() const { return count_; }

 private:
  static constexpr size_t kLimit = 20000;
  void place(CacheEntry *e) {
    size_t i = e->hash & mask_;
    while (table_[i]) i = (i + 1) & mask_;
    table_[i] = e;
  }
  void rebuild(size_t size) {
    std::vector<CacheEntry *> old(size, nullptr);
    old.swap(table_);
    mask_ = size - 1;
    for (CacheEntry *e : old)
      if (e) place(e);
  }
  void evict() {
    std::vector<uint64_t> used;
    for (CacheEntry *e : table_)
      if (e) used.push_back(e->used);
    std::nth_element(used.begin(), used.begin() + used.size() / 4, used.end());
    uint64_t oldest = used[used.size() / 4];
    std::vector<CacheEntry *> dead;
    for (CacheEntry *&e : table_)
      if (e && e->used < oldest) dead.push_back(std::exchange(e, nullptr));
    count_ -= dead.size();
    evictions += dead.size();
    rebuild(table_.size());
    for (CacheEntry *e : dead) {
      if (e->op->last == e) e->op->last = nullptr;
      delete e;
    }
  }
  std::vector<CacheEntry *> table_ = std::vector<CacheEntry *>(1024, nullptr);
  size_t mask_ = 1023, count_ = 0;
};

PlanCache &cache() {
  static auto *c = new PlanCache;
  return *c;
}

uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15ull;
  return h ^ (h >> 32);
}

Object type_object(const TensorType *t) {
  return checked(Py_BuildValue("(iO)", t->dtype, t->shape_tuple));
}

// Asks Python for the plan of a call seen for the first time.
Ref<Plan> compile(const Call &call, Device *device, bool train, const uintptr_t *types) {
  Op *op = call.op;
  int32_t total = call.n_in + __builtin_popcountll(call.absent);
  Object in_types = checked(PyTuple_New(total));
  Object grads = checked(PyList_New(0));
  for (int32_t i = 0, present = 0; i < total; ++i) {
    if (call.absent >> i & 1 && i < 64) {
      PyTuple_SET_ITEM(in_types.get(), i, Py_NewRef(Py_None));
      continue;
    }
    auto *type = reinterpret_cast<const TensorType *>(types[present] & ~uintptr_t{1});
    if (types[present] & 1) {
      Object number = checked(PyLong_FromLong(present));
      if (PyList_Append(grads.get(), number.get())) throw PythonError();
    }
    PyTuple_SET_ITEM(in_types.get(), i, type_object(type).release());
    ++present;
  }
  if (!python_side.compile_call)
    fail("MXNetError", "the compiler is not loaded: import mx_core.ndarray first");
  Object grad_tuple = checked(PyList_AsTuple(grads.get()));
  Object result = checked(PyObject_CallFunction(
      python_side.compile_call, "OOOiiOO", op->definition, call.params, in_types.get(),
      device->type, device->id, train ? Py_True : Py_False, grad_tuple.get()));
  return Ref<Plan>(&plan_from_object(result.get()));
}

}  // namespace

CacheEntry *plan_for(const Call &call, Device *device, bool train, const uintptr_t *types) {
  size_t n = static_cast<size_t>(call.n_in);
  CacheEntry key{0, call.op, Object(call.params), device, train, call.absent, {}, {}, 0};
  struct Unborrow {
    CacheEntry &k;
    ~Unborrow() { k.params.release(); }
  } unborrow{key};
  PlanCache &c = cache();
  CacheEntry *last = call.op->last;
  if (last && PlanCache::matches(*last, key, types, n)) {
    ++c.hits;
    last->used = ++c.tick;
    return last;
  }
  uint64_t h =
      mix(mix(reinterpret_cast<uintptr_t>(call.op), reinterpret_cast<uintptr_t>(call.params)),
          reinterpret_cast<uintptr_t>(device) + train);
  h = mix(h, call.absent);
  for (size_t i = 0; i < n; ++i) h = mix(h, types[i]);
  CacheEntry *found = c.find(h, key, types, n);
  if (found) {
    ++c.hits;
  } else {
    ++c.misses;
    Ref<Plan> plan = compile(call, device, train, types);
    found = c.find(h, key, types, n);  // compiling may have run Python code that filled it
    if (!found) {
      auto e = std::make_unique<CacheEntry>();
      e->hash = h;
      e->op = call.op;
      e->params = Object::borrow(call.params);
      e->device = device;
      e->train = train;
      e->absent = call.absent;
      e->types.assign(types, types + n);
      e->plan = std::move(plan);
      found = c.insert(std::move(e));
    }
  }
  found->used = ++c.tick;
  call.op->last = found;
  return found;
}

PlanCacheStatistics plan_cache_statistics() {
  const PlanCache &c = cache();
  return {c.hits, c.misses, c.evictions, c.size()};
}

void clear_plan_cache() { cache().clear(); }

void forget_plans(Op *op) {
  op->last = nullptr;
  cache().forget(op);
}

}  // namespace mx
