// The engine's bookkeeping is one mutex: operations that come here take 50 us and more, smaller
// ones run inline in their caller. Each variable grants accesses in program order (many reads or
// one write); an operation whose accesses are all granted joins the ready list of its lane.
// Everything is intrusive: a push allocates nothing once the engine is warm.
#include "engine.h"

#include <cxxabi.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

namespace mx {

struct PendingOperation;

struct Access {
  PendingOperation *pending;
  Var *var;
  Access *next;
  bool is_read;  // also set on a write that was named as read: a failure of the variable passes on
  bool is_write;
};

struct PendingOperation {
  std::unique_ptr<Operation> operation;
  Lane *lane = nullptr;
  PendingOperation *next = nullptr;  // in a ready list or the free list
  uint32_t blocked = 0;              // accesses not granted yet
  std::vector<Access> accesses;      // never grows once linked into variables
};

// All fields are guarded by the engine's mutex.
class Lane {
 public:
  Lane(std::string lane_name, int n_threads)
      : name(std::move(lane_name)), thread_limit(static_cast<size_t>(std::max(n_threads, 1))) {}

  void append(PendingOperation *pending) {
    pending->next = nullptr;
    (last ? last->next : first) = pending;
    last = pending;
    ++ready;
  }

  PendingOperation *take() {
    PendingOperation *pending = first;
    if (!pending) return nullptr;
    first = pending->next;
    if (!first) last = nullptr;
    --ready;
    return pending;
  }

  const std::string name;
  const size_t thread_limit;
  std::vector<std::thread> threads;
  std::condition_variable work_arrived;
  PendingOperation *first = nullptr, *last = nullptr;  // operations that may start
  size_t ready = 0;                                    // how many
  size_t sleeping = 0;                                 // workers inside work_arrived.wait
  size_t waking = 0;    // workers notified that have not returned from it
  size_t starting = 0;  // threads made that have not looked for work yet
};

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPollInterval = std::chrono::milliseconds(50);
constexpr size_t kSparePending = 1024;  // PendingOperations kept for reuse
constexpr size_t kSpareAccesses = 64;   // larger access lists are given back
constexpr size_t kUnreportedLimit =
    1000;  // wait_all needs the first that nobody saw; the rest is slack

thread_local bool is_worker = false;

// A blocked thread, on its own stack; listed in the engine while it waits.
struct Waiter {
  enum Kind { kRead, kWrite, kPending } kind;
  Var *var = nullptr;
  uint64_t limit = 0;
  bool done = false;
  std::condition_variable condition = {};
};

std::shared_ptr<Failure> make_failure(std::string kind, std::string message) {
  auto failure = std::make_shared<Failure>();
  failure->kind = std::move(kind);
  failure->message = std::move(message);
  return failure;
}

std::shared_ptr<Failure> describe_failure(const Operation &operation, const char *kind,
                                          const char *what) {
  std::string message;
  try {
    message = operation.describe();
  } catch (const std::exception &) {
    message = "[operation that cannot be described]";
  }
  if (!message.empty() && message.back() != ' ') message += ' ';
  return make_failure(kind, message + what);
}

// Runs the operation and returns why it failed, or null.
std::shared_ptr<Failure> execute(Operation &operation) {
  try {
    operation.run();
    return nullptr;
  } catch (const FailureError &error) {
    return error.failure;
  } catch (const std::bad_alloc &error) {
    return describe_failure(operation, "MemoryError", error.what());
  } catch (const std::exception &error) {
    return describe_failure(operation, "MXNetError", error.what());
  } catch (const abi::__forced_unwind &) {
    throw;  // the thread is being ended (pthread_exit): swallowing this aborts the process
  } catch (...) {
    return describe_failure(operation, "MXNetError",
                            "an exception that is not a std::exception was thrown");
  }
}

[[noreturn]] void report(std::shared_ptr<Failure> failure) {
  failure->reported.store(true, std::memory_order_relaxed);
  throw FailureError(std::move(failure));
}

bool has_conflict(const Var &var, bool is_write) {
  return var.pending_writes.load(std::memory_order_acquire) != 0 ||
         (is_write && var.pending_reads.load(std::memory_order_acquire) != 0);
}

void add_to(std::atomic<uint32_t> &count,
            int32_t change) {  // writers hold the mutex: no atomic addition needed
  count.store(count.load(std::memory_order_relaxed) + static_cast<uint32_t>(change),
              std::memory_order_release);
}

std::atomic<uint32_t> &pending_count(const Access &access) {
  return access.is_write ? access.var->pending_writes : access.var->pending_reads;
}

}  // namespace

struct Engine::State {
  mutable std::mutex mutex;
  std::map<std::string, std::unique_ptr<Lane>> lanes;
  std::vector<Waiter *> waiters;
  std::condition_variable worker_left, resumed;
  std::vector<std::shared_ptr<Failure>> unreported;
  std::vector<std::pair<void (*)(void *), void *>> child_hooks;
  PendingOperation *spare = nullptr;
  size_t n_spare = 0;
  uint64_t pushed = 0, finished = 0, failed = 0;
  std::atomic<uint64_t> pending{0};  // changed under the mutex only
  size_t workers = 0;                // threads inside work()
  bool stopping = false;             // workers leave after the operation they run; pushes wait
  bool abandoned = false;            // some work will never finish: nobody waits for it any more
  bool forking_worker = false;       // the thread that forks is one of ours
  std::atomic<bool> naive{false};
  std::atomic<bool> closed{false};

  // -- variables
  // -------------------------------------------------------------------------------------------------

  void note(PendingOperation &pending_operation, Var *var, bool is_write) {
    auto &accesses = pending_operation.accesses;
    if (var->seen_by == pushed) {
      accesses[var->seen_index].is_read |= !is_write;
      return;
    }
    var->seen_by = pushed;
    var->seen_index = static_cast<uint32_t>(accesses.size());
    accesses.push_back({&pending_operation, var, nullptr, !is_write, is_write});
  }

  static bool try_grant(Access &access) {
    Var &var = *access.var;
    if (var.running_write || (access.is_write && var.running_reads != 0)) return false;
    if (access.is_write) {
      var.running_write = true;
    } else {
      ++var.running_reads;
    }
    return true;
  }

  static bool request(Access &access) {
    Var &var = *access.var;
    add_to(pending_count(access), 1);
    if (!var.first_waiting && try_grant(access)) return true;
    (var.last_waiting ? var.last_waiting->next : var.first_waiting) = &access;
    var.last_waiting = &access;
    return false;
  }

  // Ends all accesses of a finished operation; operations that may start now join their lanes.
  void release(PendingOperation &done, const std::shared_ptr<Failure> &failure, Lane *own_lane) {
    for (Access &access : done.accesses) {
      Var &var = *access.var;
      if (access.is_write) {
        if (failure || var.failure) {
          var.failure = failure;
          var.failed.store(failure != nullptr, std::memory_order_release);
        }
        var.running_write = false;
      } else {
        --var.running_reads;
      }
      add_to(pending_count(access), -1);
      while (var.first_waiting && try_grant(*var.first_waiting)) {
        Access *granted = var.first_waiting;
        var.first_waiting = granted->next;
        if (!var.first_waiting) var.last_waiting = nullptr;
        PendingOperation *next = granted->pending;
        if (--next->blocked != 0) continue;
        next->lane->append(next);
        if (next->lane != own_lane && wake(*next->lane, 0)) next->lane->work_arrived.notify_one();
      }
    }
    if (own_lane && wake(*own_lane, 1)) own_lane->work_arrived.notify_one();
    if (failure) remember(failure);
    notify_waiters();
  }

  static std::shared_ptr<Failure> failed_input(const PendingOperation &pending_operation) {
    for (const Access &access : pending_operation.accesses) {
      if (access.is_read && access.var->failure) return access.var->failure;
    }
    return nullptr;
  }

  void remember(const std::shared_ptr<Failure> &failure) {
    ++failed;
    if (failure->reported.load(std::memory_order_relaxed)) return;
    if (!unreported.empty() && unreported.back() == failure) return;  // passed on along a chain
    if (unreported.size() == kUnreportedLimit) {
      std::erase_if(unreported,
                    [](const auto &f) { return f->reported.load(std::memory_order_relaxed); });
    }
    if (unreported.size() < kUnreportedLimit) unreported.push_back(failure);
  }

  // -- operations
  // ------------------------------------------------------------------------------------------------

  std::unique_ptr<PendingOperation> take_spare() {
    if (!spare) return std::make_unique<PendingOperation>();
    PendingOperation *pending_operation = spare;
    spare = pending_operation->next;
    --n_spare;
    return std::unique_ptr<PendingOperation>(pending_operation);
  }

  void keep_spare(PendingOperation *pending_operation) {
    pending_operation->accesses.clear();
    if (n_spare >= kSparePending || pending_operation->accesses.capacity() > kSpareAccesses) {
      delete pending_operation;
      return;
    }
    pending_operation->next = spare;
    spare = pending_operation;
    ++n_spare;
  }

  void count_finished(uint64_t n) {
    finished += n;
    pending.store(pending.load(std::memory_order_relaxed) - n, std::memory_order_release);
    notify_waiters();
  }

  // Removes every operation that has not started. Their outputs fail, silently for wait_all.
  void drop_unstarted(std::unique_lock<std::mutex> &lock) {
    auto dropped = make_failure(
        "MXNetError", "The operation was dropped: the engine was shut down before it started.");
    dropped->reported.store(true, std::memory_order_relaxed);
    for (bool found = true; found;) {
      found = false;
      for (auto &[name, lane] : lanes) {
        while (PendingOperation *pending_operation = lane->take()) {
          found = true;
          std::unique_ptr<Operation> operation = std::move(pending_operation->operation);
          release(*pending_operation, dropped, nullptr);
          keep_spare(pending_operation);
          lock.unlock();
          operation.reset();
          lock.lock();
          count_finished(1);
        }
      }
    }
  }

  // -- workers
  // ---------------------------------------------------------------------------------------------------

  // Sees to it that the lane's ready operations find workers, `coming` of whom look by themselves.
  // Returns true when the caller has to notify one sleeping worker.
  bool wake(Lane &lane, size_t coming) {
    if (stopping || closed.load(std::memory_order_relaxed)) return false;
    if (lane.ready <= lane.waking + lane.starting + coming) return false;
    if (lane.sleeping > lane.waking) {
      ++lane.waking;
      return true;
    }
    if (lane.threads.size() < lane.thread_limit) {
      try {
        start_worker(lane);
      } catch (const std::system_error &) {
        // The workers that exist do the work: push() made sure of the first.
      }
    }
    return false;
  }

  void start_worker(Lane &lane) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the threads of the program
    struct Restore {
      sigset_t *mask;
      ~Restore() { pthread_sigmask(SIG_SETMASK, mask, nullptr); }
    } restore{&before};
    lane.threads.reserve(lane.thread_limit);
    lane.threads.emplace_back([this, &lane] { work(lane); });
    ++lane.starting;
    ++workers;
  }

  void work(Lane &lane) {
    is_worker = true;
    pthread_setname_np(pthread_self(), ("mx " + lane.name).substr(0, 15).c_str());
    std::unique_lock<std::mutex> lock(mutex);
    --lane.starting;
    while (!stopping) {
      if (PendingOperation *pending_operation = lane.take()) {
        run(*pending_operation, lock);
        continue;
      }
      ++lane.sleeping;
      lane.work_arrived.wait(lock);
      --lane.sleeping;
      if (lane.waking) --lane.waking;
    }
    --workers;
    worker_left.notify_all();
  }

  void run(PendingOperation &pending_operation, std::unique_lock<std::mutex> &lock) {
    std::shared_ptr<Failure> failure = failed_input(pending_operation);
    lock.unlock();
    if (!failure) failure = execute(*pending_operation.operation);
    lock.lock();
    release(pending_operation, failure, pending_operation.lane);
    std::unique_ptr<Operation> operation = std::move(pending_operation.operation);
    keep_spare(&pending_operation);
    lock.unlock();
    operation.reset();
    failure.reset();
    lock.lock();
    count_finished(1);
  }

  // Joins all workers, or detaches those that have not left by the deadline. Operations left over
  // stay unstarted. The threads are joined under the mutex, so that no push comes between: they no
  // longer ask for it.
  void stop_workers(std::unique_lock<std::mutex> &lock, Clock::time_point deadline) {
    stopping = true;
    for (auto &[name, lane] : lanes) lane->work_arrived.notify_all();
    while (workers != 0) {
      if (deadline == Clock::time_point::max()) {
        worker_left.wait(lock);
      } else if (worker_left.wait_until(lock, deadline) == std::cv_status::timeout) {
        break;
      }
    }
    abandoned |= workers != 0;
    for (auto &[name, lane] : lanes) {
      for (std::thread &thread : lane->threads) abandoned ? thread.detach() : thread.join();
      lane->threads.clear();
    }
    if (!abandoned) stopping = false;
    resumed.notify_all();
  }

  // -- waits
  // -----------------------------------------------------------------------------------------------------

  bool is_over(const Waiter &waiter) const {
    if (abandoned) return true;
    if (waiter.kind == Waiter::kPending)
      return pending.load(std::memory_order_relaxed) <= waiter.limit;
    return !has_conflict(*waiter.var, waiter.kind == Waiter::kWrite);
  }

  void notify_waiters() {
    for (Waiter *waiter : waiters) {
      if (waiter->done || !is_over(*waiter)) continue;
      waiter->done = true;
      waiter->condition
          .notify_one();  // under the mutex: the waiter lives on the stack of the thread it wakes
    }
  }

  void wait(Waiter &waiter, std::unique_lock<std::mutex> &lock, Poll poll) {
    if (is_over(waiter)) return;
    waiters.push_back(&waiter);
    while (!waiter.done) {
      if (!poll) {
        waiter.condition.wait(lock);
        continue;
      }
      if (waiter.condition.wait_for(lock, kPollInterval) == std::cv_status::no_timeout) continue;
      if (waiter.done) break;
      lock.unlock();  // poll takes the caller's lock
      const bool is_interrupted = poll();
      lock.lock();
      if (!is_interrupted) continue;
      std::erase(waiters, &waiter);
      throw Interrupted();
    }
    std::erase(waiters, &waiter);
  }

  void wait_for(Var &var, bool is_write, Poll poll) {
    if (!has_conflict(var, is_write) && !var.failed.load(std::memory_order_acquire)) return;
    std::unique_lock<std::mutex> lock(mutex);
    Waiter waiter{is_write ? Waiter::kWrite : Waiter::kRead, &var};
    wait(waiter, lock, poll);
    if (var.failure) report(var.failure);
    throw_if_abandoned(var, is_write);
  }

  void throw_if_abandoned(const Var &var, bool is_write) const {
    if (abandoned && has_conflict(var, is_write)) {
      report(make_failure(
          "MXNetError",
          "The array was being computed when the engine was shut down; it has no value."));
    }
  }

  // -- naive mode
  // ------------------------------------------------------------------------------------------------

  void run_now(std::unique_ptr<Operation> operation, std::span<Var *const> reads,
               std::span<Var *const> writes) {
    std::shared_ptr<Failure> failure;
    {
      std::unique_lock<std::mutex> lock(mutex);
      ++pushed;
      for (Var *var : reads) wait_conflict(*var, false, lock);
      for (Var *var : writes) wait_conflict(*var, true, lock);
      for (Var *var : reads) {
        if (!failure) failure = var->failure;
      }
    }
    if (!failure) failure = execute(*operation);
    {
      std::lock_guard<std::mutex> lock(mutex);
      ++finished;
      failed += failure != nullptr;
      for (Var *var : writes) {
        var->failure = failure;
        var->failed.store(failure != nullptr, std::memory_order_release);
      }
    }
    operation.reset();
    if (failure) report(std::move(failure));
  }

  void wait_conflict(Var &var, bool is_write, std::unique_lock<std::mutex> &lock) {
    Waiter waiter{is_write ? Waiter::kWrite : Waiter::kRead, &var};
    wait(waiter, lock, nullptr);
    throw_if_abandoned(var, is_write);
  }

  // -- fork
  // ------------------------------------------------------------------------------------------------------

  // The mutex stays locked from here to after_fork_*, so both processes see a consistent, idle
  // engine.
  void before_fork() {
    std::unique_lock<std::mutex> lock(mutex);
    if (is_worker) {
      forking_worker = true;  // it cannot wait for itself
    } else if (!abandoned) {
      Waiter drained{Waiter::kPending};
      wait(drained, lock, nullptr);
      stop_workers(lock, Clock::time_point::max());
    }
    lock.release();
  }

  void after_fork_parent() {
    forking_worker = false;
    mutex.unlock();
  }

  void after_fork_child() {
    waiters.clear();  // their threads exist in the parent only
    new (&worker_left) std::condition_variable;
    new (&resumed) std::condition_variable;
    if (forking_worker || abandoned) {
      for (auto &[name, lane] : lanes) {
        new std::vector<std::thread>(
            std::move(lane->threads));  // not here: neither joinable nor to be destroyed
        lane->threads.clear();
      }
      abandoned = true;
      stopping = true;
      workers = forking_worker;
      closed.store(true, std::memory_order_release);
    }
    is_worker = false;
    forking_worker = false;
    mutex.unlock();
    for (auto [hook, argument] : child_hooks) hook(argument);
  }
};

Engine &Engine::get() {
  static Engine *engine =
      new Engine;  // outlives every static object: workers may still run at exit
  return *engine;
}

Engine::Engine() : state_(new State) {
  const char *type = std::getenv("MXNET_ENGINE_TYPE");
  state_->naive = type && std::string(type) == "NaiveEngine";
  static State *state = state_;
  // Handlers registered first run last before a fork: storage registers when it is loaded, hence is
  // still usable while the work drains.
  pthread_atfork([] { state->before_fork(); }, [] { state->after_fork_parent(); },
                 [] { state->after_fork_child(); });
  std::atexit([] { Engine::get().shutdown(); });
}

Lane *Engine::lane(const std::string &name, int n_threads) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  auto &lane = state_->lanes[name];
  if (!lane) lane = std::make_unique<Lane>(name, n_threads);
  return lane.get();
}

void Engine::push(std::unique_ptr<Operation> operation, Lane *lane, std::span<Var *const> reads,
                  std::span<Var *const> writes) {
  State &state = *state_;
  if (is_naive()) return state.run_now(std::move(operation), reads, writes);
  std::unique_lock<std::mutex> lock(state.mutex);
  while (state.stopping && !state.closed) state.resumed.wait(lock);
  if (state.closed) {
    lock.unlock();
    return state.run_now(std::move(operation), reads, writes);
  }
  if (lane->threads.empty()) state.start_worker(*lane);
  std::unique_ptr<PendingOperation> owner = state.take_spare();
  PendingOperation &pending = *owner;
  pending.accesses.reserve(reads.size() + writes.size());
  ++state.pushed;
  for (Var *var : writes) state.note(pending, var, true);
  for (Var *var : reads) state.note(pending, var, false);
  pending.operation = std::move(operation);
  pending.lane = lane;
  pending.blocked = 0;
  state.pending.store(state.pending.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  for (Access &access : pending.accesses) pending.blocked += !State::request(access);
  owner.release();  // owned by the queues of its variables and its lane from here on
  if (pending.blocked != 0) return;
  lane->append(&pending);
  const bool has_sleeper = state.wake(*lane, 0);
  lock.unlock();
  if (has_sleeper) lane->work_arrived.notify_one();
}

void Engine::wait_to_read(Var &var, Poll poll) { state_->wait_for(var, false, poll); }

void Engine::wait_to_write(Var &var, Poll poll) { state_->wait_for(var, true, poll); }

void Engine::wait_all(Poll poll) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  Waiter waiter{Waiter::kPending};
  state_->wait(waiter, lock, poll);
  std::vector<std::shared_ptr<Failure>> failures = std::exchange(state_->unreported, {});
  lock.unlock();
  for (auto &failure : failures) {
    if (!failure->reported.load(std::memory_order_relaxed)) report(failure);
  }
}

void Engine::wait_pending(uint64_t limit, Poll poll) {
  if (pending() <= limit) return;
  std::unique_lock<std::mutex> lock(state_->mutex);
  Waiter waiter{Waiter::kPending, nullptr, limit};
  state_->wait(waiter, lock, poll);
}

uint64_t Engine::pending() const { return state_->pending.load(std::memory_order_acquire); }

void Engine::set_naive(bool naive) { state_->naive.store(naive, std::memory_order_release); }

bool Engine::is_naive() const {
  return state_->naive.load(std::memory_order_acquire) ||
         state_->closed.load(std::memory_order_acquire);
}

void Engine::shutdown(double seconds) {
  State &state = *state_;
  std::unique_lock<std::mutex> lock(state.mutex);
  if (state.closed.exchange(true)) return;
  state.stopping = true;
  if (is_worker) seconds = 0;  // exit() inside an operation: it cannot wait for itself
  state.drop_unstarted(lock);
  state.stop_workers(lock,
                     Clock::now() + std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
  state.drop_unstarted(lock);  // what the last operations made ready
  state.notify_waiters();
}

void Engine::add_after_fork_child(void (*hook)(void *), void *arg) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->child_hooks.emplace_back(hook, arg);
}

Engine::Statistics Engine::statistics() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return {state_->pushed, state_->finished, state_->failed, state_->workers};
}

}  // namespace mx
