// The asynchronous dependency engine: work is pushed with the variables it reads and writes and
// runs, on the workers of a lane, as soon as no earlier work conflicts. Knows nothing of Python,
// arrays or devices.
//
// Owner of threads: nothing else in mx-core starts one. All of push() happens under the caller's
// lock (the GIL), so that program order is well defined; completion happens on workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

namespace mx {

// Why an operation failed. Shared by every variable the operation would have written.
struct Failure {
  std::string
      kind;  // Python exception class to raise: "MXNetError", "ShapeError", "MemoryError", ...
  std::string message;  // complete, with operator, shapes and the user's file:line
  std::atomic<bool> reported{false};
};

// Thrown by waits: the failure stored on the variable (or the first unreported one, for wait_all).
struct FailureError : std::runtime_error {
  explicit FailureError(std::shared_ptr<Failure> f)
      : std::runtime_error(f->message), failure(std::move(f)) {}
  std::shared_ptr<Failure> failure;
};

// Thrown by waits when the poll callback asked to stop (a pending signal).
struct Interrupted : std::exception {};

// One unit of work. run() is called on a worker (or inline by the naive engine) and may throw:
// FailureError passes its failure on, any other exception becomes a Failure with kind "MXNetError"
// and describe() in front. The object is destroyed after its variables were released; destroying it
// must not need the GIL.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual void run() = 0;
  virtual std::string describe() const {
    return {};
  }  // "[FullyConnected] at train.py:12: ..." for messages
};

struct Access;  // engine.cpp: one operation's use of one variable

// The engine's view of one storage chunk. Must outlive every operation that names it (operations
// own references).
struct Var {
  std::atomic<uint32_t> pending_writes{
      0};  // pushed and not finished; changed under the engine's mutex only
  std::atomic<uint32_t> pending_reads{0};
  std::atomic<bool> failed{false};
  bool running_write = false;  // from here on: the engine's own, guarded by its mutex
  uint32_t running_reads = 0;  // reads that were granted and have not finished
  uint32_t seen_index = 0;     // place in the accesses of the push numbered `seen_by`
  uint64_t seen_by = 0;
  Access *first_waiting = nullptr;  // accesses not granted yet, in program order
  Access *last_waiting = nullptr;
  std::shared_ptr<Failure> failure;  // set while `failed`

  // No earlier work conflicts and the contents are valid: the caller (who holds the push lock) may
  // use it at once.
  bool readable() const {
    return pending_writes.load(std::memory_order_acquire) == 0 &&
           !failed.load(std::memory_order_acquire);
  }
  bool writable() const {
    return pending_writes.load(std::memory_order_acquire) == 0 &&
           pending_reads.load(std::memory_order_acquire) == 0 &&
           !failed.load(std::memory_order_acquire);
  }
};

// A queue with worker threads of its own: one for each device's compute, one for copies, one for
// I/O. Threads start with the first push and again after a fork.
class Lane;

class Engine {
 public:
  static Engine &get();  // never destroyed; shut down explicitly at interpreter exit

  // Returns the lane of that name, made on first use with n_threads workers.
  Lane *lane(const std::string &name, int n_threads = 1);

  // Queues the operation. A variable may be named in both lists or twice: a write wins. If one of
  // the variables that are read has failed by the time the operation would start, run() is skipped
  // and the failure passes on to the written variables; writing a failed variable without reading
  // it makes it valid again (so work that writes only a part of a variable names it as read too).
  // In naive mode: waits for conflicting work, runs it at once on the caller, and throws its
  // failure right away. Throws std::system_error, and queues nothing, when the lane's first worker
  // cannot be started.
  void push(std::unique_ptr<Operation> operation, Lane *lane, std::span<Var *const> reads,
            std::span<Var *const> writes);

  // Waits poll `poll` (if not null) every 50 ms; when it returns true they throw Interrupted.
  // The caller has released its own lock (GIL). Throw FailureError when the variable has failed.
  using Poll = bool (*)();
  void wait_to_read(Var &var, Poll poll = nullptr);
  void wait_to_write(Var &var, Poll poll = nullptr);
  // Then throws the first failure that no wait has reported yet; the other unreported ones stay on
  // their variables and are forgotten here, so that a second wait_all is clean (as MXNet 1.x).
  void wait_all(Poll poll = nullptr);
  // Returns when at most `limit` operations are pending: keeps a caller from running ahead without
  // bound.
  void wait_pending(uint64_t limit, Poll poll = nullptr);
  uint64_t pending() const;  // lock-free

  // MXNET_ENGINE_TYPE=NaiveEngine sets it at start. Call wait_all first where pending work may need
  // the caller's lock.
  void set_naive(bool naive);
  bool is_naive() const;

  // Drops operations that have not started, waits for those that have, joins all workers. Later
  // pushes run naive. Bounded: an operation that runs longer than `seconds` is abandoned (its
  // thread detached). exit() calls it as well, before it destroys static objects older than the
  // engine; interpreters call it earlier.
  void shutdown(double seconds = 10.0);

  // fork: before_fork drains all work and stops the workers; installed with pthread_atfork by the
  // constructor, so that both processes start clean; after_fork_child runs the hooks given here
  // (devices reset their thread pools).
  void add_after_fork_child(void (*hook)(void *), void *arg);

  // Counters for tests and the profiler.
  struct Statistics {
    uint64_t pushed, finished, failed, workers;
  };
  Statistics statistics() const;

 private:
  Engine();
  struct State;
  State *state_;
};

}  // namespace mx
