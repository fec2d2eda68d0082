// The engine: random programs against sequential execution, failures, waits, fork, exit, shutdown.
// Usage: engine_test [case ...]
#include "../../cpp/engine.h"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "check.h"

using namespace mx;

namespace {

struct Call : Operation {
  explicit Call(std::function<void()> f, std::string d = {}) : body(std::move(f)), text(std::move(d)) {}
  void run() override { body(); }
  std::string describe() const override { return text; }
  std::function<void()> body;
  std::string text;
};

Lane *lane(const char *name = "test", int n_threads = 1) { return Engine::get().lane(name, n_threads); }

void push(std::function<void()> body, std::vector<Var *> reads, std::vector<Var *> writes, Lane *on = lane(),
          std::string text = {}) {
  Engine::get().push(std::make_unique<Call>(std::move(body), std::move(text)), on, reads, writes);
}

// Blocks operations until it is opened, so that tests control the order of events without sleeping.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_open = false;
  int arrived = 0;
  void open() {
    std::lock_guard<std::mutex> lock(mutex);
    is_open = true;
    changed.notify_all();
  }
  void pass() {
    std::unique_lock<std::mutex> lock(mutex);
    ++arrived;
    changed.notify_all();
    changed.wait(lock, [&] { return is_open; });
  }
  void wait_arrived(int n) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return arrived >= n; });
  }
};

template <class F>
std::string failure_of(F &&wait) {
  try {
    wait();
  } catch (const FailureError &error) {
    CHECK(error.failure->reported);
    return error.failure->kind + ": " + error.failure->message;
  }
  return "";
}

std::string read_failure(Var &var) {
  return failure_of([&] { Engine::get().wait_to_read(var); });
}

// -- random programs -----------------------------------------------------------------------------------------------

struct Step {
  uint32_t reads[3], writes[2];
  int n_reads, n_writes, lane;
  bool fails;
};

struct Outcome {
  std::vector<uint64_t> values;
  std::vector<bool> failed;
  bool operator==(const Outcome &) const = default;
};

constexpr uint32_t kVariables = 40;

std::vector<Step> random_program(uint32_t seed, int n, double failing) {
  std::mt19937 random(seed);
  auto below = [&](uint32_t limit) { return static_cast<uint32_t>(random() % limit); };
  std::vector<Step> program(n);
  for (Step &step : program) {
    step.n_reads = static_cast<int>(below(4));
    step.n_writes = static_cast<int>(1 + below(2));
    for (uint32_t &v : step.reads) v = below(kVariables);
    for (uint32_t &v : step.writes) v = below(kVariables);
    step.lane = static_cast<int>(below(4));
    step.fails = below(1u << 20) < failing * (1u << 20);
  }
  return program;
}

uint64_t compute(const Step &step, const std::vector<uint64_t> &values) {
  uint64_t hash = 0;
  for (int i = 0; i < step.n_reads; ++i) hash = (hash ^ values[step.reads[i]]) * 0x9e3779b97f4a7c15u + 1;
  return hash + step.lane;
}

// What the program must give: one step after the other, without the engine.
Outcome interpret(const std::vector<Step> &program) {
  Outcome outcome{std::vector<uint64_t>(kVariables, 1), std::vector<bool>(kVariables, false)};
  for (const Step &step : program) {
    bool fails = step.fails;
    for (int i = 0; i < step.n_reads; ++i) fails |= outcome.failed[step.reads[i]];
    const uint64_t value = compute(step, outcome.values);
    for (int i = 0; i < step.n_writes; ++i) {
      outcome.failed[step.writes[i]] = fails;
      if (!fails) outcome.values[step.writes[i]] = value + step.writes[i];
    }
  }
  return outcome;
}

// The values are plain memory: two operations at once on one variable are a race that ThreadSanitizer reports.
Outcome execute(const std::vector<Step> &program, int n_threads, int n_lanes) {
  Engine &engine = Engine::get();
  std::vector<Lane *> lanes;
  for (int i = 0; i < n_lanes; ++i) {
    lanes.push_back(lane(("random" + std::to_string(n_threads) + "." + std::to_string(i)).c_str(), n_threads));
  }
  std::vector<uint64_t> values(kVariables, 1);
  std::vector<Var> variables(kVariables);
  for (const Step &step : program) {
    std::vector<Var *> reads, writes;
    for (int i = 0; i < step.n_reads; ++i) reads.push_back(&variables[step.reads[i]]);
    for (int i = 0; i < step.n_writes; ++i) writes.push_back(&variables[step.writes[i]]);
    auto body = [&step, &values] {
      if (step.fails) throw std::runtime_error("planned");
      const uint64_t value = compute(step, values);
      for (int i = 0; i < step.n_writes; ++i) values[step.writes[i]] = value + step.writes[i];
    };
    try {
      push(body, reads, writes, lanes[step.lane % n_lanes]);
    } catch (const FailureError &) {
      CHECK(engine.is_naive());
    }
  }
  failure_of([&] { engine.wait_all(); });
  CHECK(engine.pending() == 0);
  Outcome outcome{values, {}};
  for (Var &var : variables) {
    CHECK(var.pending_reads == 0 && var.pending_writes == 0 && var.first_waiting == nullptr);
    outcome.failed.push_back(!read_failure(var).empty());
  }
  return outcome;
}

void random_programs() {
  const int n = 100000;
#ifdef __SANITIZE_THREAD__
  const std::vector<double> rates{0.02};  // ten times slower: one program covers both
#else
  const std::vector<double> rates{0.0, 0.02};
#endif
  for (double failing : rates) {
    const std::vector<Step> program = random_program(failing > 0 ? 11 : 7, n, failing);
    const Outcome expected = interpret(program);
    Engine::get().set_naive(true);
    CHECK(execute(program, 1, 1) == expected);
    Engine::get().set_naive(false);
    for (int n_threads = 1; n_threads <= 8; ++n_threads) {
      CHECK(execute(program, n_threads, 1) == expected);
      if (n_threads % 4 == 1) CHECK(execute(program, n_threads, 4) == expected);
    }
  }
}

// Several threads push under one lock, as Python threads do under the GIL, and wait without it.
void many_callers() {
  std::mutex gil;
  Var shared;
  uint64_t sum = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      Var own;
      uint64_t count = 0;
      for (int i = 0; i < 2000; ++i) {
        {
          std::lock_guard<std::mutex> lock(gil);
          push([&] { ++count; }, {}, {&own}, lane("callers", 3));
          push([&] { sum += count > 0; }, {&own}, {&shared}, lane("callers", 3));
        }
        if (i % 100 == 0) Engine::get().wait_to_write(own);
        if (i % 500 == 0) Engine::get().wait_all();
      }
      Engine::get().wait_to_write(own);
      CHECK(count == 2000);
    });
  }
  for (std::thread &caller : callers) caller.join();
  Engine::get().wait_to_read(shared);
  CHECK(sum == 8000);
  Engine::get().wait_all();
}

// -- order and concurrency -----------------------------------------------------------------------------------------

void concurrency() {
  // Two reads of one variable, and two lanes, run at the same time: each waits for the other to arrive.
  Var a, b, c, d;
  Gate gate;
  push([&] { gate.pass(); }, {&a}, {&b}, lane("pair", 2));
  push([&] { gate.pass(); }, {&a}, {&c}, lane("pair", 2));
  push([&] { gate.pass(); }, {&a}, {&d}, lane("other"));
  gate.wait_arrived(3);
  CHECK(!b.readable() && a.readable() && !a.writable());
  bool is_written = false;
  push([&] { is_written = true; }, {}, {&a}, lane("third"));
  CHECK(!a.readable());
  gate.open();
  Engine::get().wait_to_write(a);
  CHECK(is_written && a.writable());
  Engine::get().wait_all();

  // So do two reads that waited for one write.
  Gate write, reads;
  push([&] { write.pass(); }, {}, {&a}, lane("third"));
  push([&] { reads.pass(); }, {&a}, {&b}, lane("pair", 2));
  push([&] { reads.pass(); }, {&a}, {&c}, lane("pair", 2));
  write.open();
  reads.wait_arrived(2);
  reads.open();
  Engine::get().wait_all();
}

// After wait_all the operations are gone too, with all they held.
void destroyed_operations() {
  struct Slow : Operation {
    bool *is_destroyed;
    explicit Slow(bool *flag) : is_destroyed(flag) {}
    ~Slow() override {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      *is_destroyed = true;
    }
    void run() override {}
  };
  bool is_destroyed = false;
  Var a;
  Var *writes[] = {&a};
  Engine::get().push(std::make_unique<Slow>(&is_destroyed), lane(), {}, writes);
  Engine::get().wait_to_read(a);
  Engine::get().wait_all();
  CHECK(is_destroyed);
}

void repeated_variables() {
  Var a, b;
  int n = 0;
  push([&] { ++n; }, {&a, &a, &b}, {&a, &a});
  push([&] { ++n; }, {&a, &b, &a}, {&b});
  push([&] { ++n; }, {}, {});
  Engine::get().wait_all();
  CHECK(n == 3 && a.writable() && b.writable());
  std::vector<Var> many(500);
  std::vector<Var *> all;
  for (Var &var : many) all.push_back(&var);
  push([&] { ++n; }, all, all);
  Engine::get().wait_to_write(many[499]);
  CHECK(n == 4);
  Engine::get().wait_all();
}

void progress_without_wait_all() {
  Var a, b;
  Gate gate;
  push([&] { gate.pass(); }, {}, {&a}, lane("slow"));
  push([] {}, {}, {&b}, lane("fast"));
  Engine::get().wait_to_read(b);  // returns although other work is pending
  CHECK(Engine::get().pending() == 1 || Engine::get().pending() == 2);
  gate.open();
  Engine::get().wait_pending(0);
  CHECK(Engine::get().pending() == 0);
}

// -- failures ------------------------------------------------------------------------------------------------------

void failures() {
  Engine &engine = Engine::get();
  Var a, b, c, d;
  bool has_run = false;
  push([] { throw std::runtime_error("expected 3, got 4."); }, {}, {&a}, lane(), "[dot] at train.py:12:");
  push([&] { has_run = true; }, {&a}, {&b}, lane("next"));
  push([&] { has_run = true; }, {&b, &c}, {&c}, lane());
  push([] {}, {}, {&d});
  const std::string text = "MXNetError: [dot] at train.py:12: expected 3, got 4.";
  CHECK(read_failure(c) == text && read_failure(b) == text && read_failure(a) == text);
  CHECK(read_failure(d).empty() && !has_run);
  CHECK(failure_of([&] { engine.wait_to_write(a); }) == text);
  CHECK(failure_of([&] { engine.wait_all(); }).empty());  // reported already
  CHECK(!a.readable() && !a.writable());

  // Writing without reading makes a variable valid again; writing a part of it does not.
  push([&] { has_run = true; }, {&a}, {&a});
  CHECK(read_failure(a) == text && !has_run);
  push([&] { has_run = true; }, {}, {&a});
  CHECK(read_failure(a).empty() && has_run && a.readable());
  push([] {}, {&a}, {&b});
  push([] {}, {&a}, {&c});
  engine.wait_all();
  CHECK(b.readable() && c.readable());

  // wait_all gives the first unreported failure, once.
  for (int i = 0; i < 3; ++i) {
    push([i] { throw std::runtime_error("failure " + std::to_string(i)); }, {}, {i == 0 ? &a : i == 1 ? &b : &c});
  }
  CHECK(failure_of([&] { engine.wait_all(); }) == "MXNetError: failure 0");
  CHECK(failure_of([&] { engine.wait_all(); }).empty());
  CHECK(read_failure(c) == "MXNetError: failure 2");

  // Kinds: memory, a failure handed on, an exception of no class.
  push([] { throw std::bad_alloc(); }, {}, {&a}, lane(), "[zeros]");
  CHECK(read_failure(a) == "MemoryError: [zeros] std::bad_alloc");
  push(
      [] {
        auto failure = std::make_shared<Failure>();
        failure->kind = "ShapeError";
        failure->message = "complete";
        throw FailureError(failure);
      },
      {}, {&a}, lane(), "[unused]");
  CHECK(read_failure(a) == "ShapeError: complete");
  push([] { throw 3; }, {}, {&a});
  CHECK(read_failure(a).starts_with("MXNetError: "));
  push([] {}, {}, {&a, &b, &c});
  engine.wait_all();
}

void naive_failures() {
  Engine &engine = Engine::get();
  engine.set_naive(true);
  Var a, b;
  bool has_run = false;
  CHECK(failure_of([&] { push([] { throw std::runtime_error("now"); }, {}, {&a}); }) == "MXNetError: now");
  CHECK(failure_of([&] { push([&] { has_run = true; }, {&a}, {&b}); }) == "MXNetError: now");
  CHECK(!has_run && read_failure(b) == "MXNetError: now");
  push([] {}, {}, {&a});
  push([] {}, {&a}, {&b});
  engine.wait_all();
  CHECK(a.readable() && b.writable());
  engine.set_naive(false);
}

// -- waits ---------------------------------------------------------------------------------------------------------

int polls_left = 0;

void interrupted_wait() {
  Engine &engine = Engine::get();
  Var a;
  Gate gate;
  push([&] { gate.pass(); }, {}, {&a});
  Engine::Poll poll = [] { return --polls_left == 0; };
  void (*waits[])(Var &, Engine::Poll) = {
      [](Var &var, Engine::Poll p) { Engine::get().wait_to_read(var, p); },
      [](Var &var, Engine::Poll p) { Engine::get().wait_to_write(var, p); },
      [](Var &, Engine::Poll p) { Engine::get().wait_all(p); },
  };
  for (auto wait : waits) {
    polls_left = 2;
    bool is_interrupted = false;
    try {
      wait(a, poll);
    } catch (const Interrupted &) {
      is_interrupted = true;
    }
    CHECK(is_interrupted && polls_left == 0);
  }
  gate.open();
  engine.wait_to_read(a, [] { return false; });
  engine.wait_all();
}

// -- memory --------------------------------------------------------------------------------------------------------

void flat_memory() {
  Engine &engine = Engine::get();
  auto round = [&] {
    std::vector<Var> variables(20);
    for (int i = 0; i < 20000; ++i) {
      Var *read = &variables[i % 20], *write = &variables[(i * 7 + 1) % 20];
      push([i] { if (i % 1000 == 999) throw std::runtime_error("planned"); }, {read}, {write}, lane("memory", 2));
      if (i % 2500 == 0) engine.wait_pending(50);
    }
    failure_of([&] { engine.wait_all(); });
  };
  round();
  const size_t before = mallinfo2().uordblks;
  for (int i = 0; i < 4; ++i) round();
  const size_t after = mallinfo2().uordblks;
  CHECK(after < before + 100000);
}

// -- processes -----------------------------------------------------------------------------------------------------

void use_engine() {
  std::vector<Var> variables(4);
  int n = 0;
  for (int i = 0; i < 40; ++i) {
    push([&] { ++n; }, {&variables[i % 4]}, {&variables[0]}, lane("forked", 2));
    push([] {}, {&variables[0]}, {&variables[1 + i % 3]}, lane("forked2"));
  }
  Engine::get().wait_all();
  CHECK(n == 40);
}

void expect_exit(pid_t child, int expected) {
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected);
}

int hook_calls = 0;

void fork_after_use() {
  Engine &engine = Engine::get();
  engine.add_after_fork_child([](void *calls) { ++*static_cast<int *>(calls); }, &hook_calls);
  for (int i = 0; i < 200; ++i) {
    use_engine();
    Var a;
    int n = 0;
    for (int k = 0; k < 20; ++k) push([&] { ++n; }, {}, {&a}, lane("forked", 2));
    const pid_t child = fork();  // with work pending: it is done once, before the two part
    CHECK(n == 20 && a.writable() && engine.pending() == 0);
    if (child == 0) {
      alarm(60);
      CHECK(hook_calls == 1);
      use_engine();
      if (i % 10 == 0) {  // a child's child
        const pid_t grandchild = fork();
        use_engine();
        if (grandchild == 0) _exit(0);
        expect_exit(grandchild, 0);
      }
      if (i % 2) _exit(7);
      exit(7);
    }
    use_engine();
    expect_exit(child, 7);
  }
}

// One thread waits while another forks; the child is without the first.
void fork_beside_waiter() {
  for (int i = 0; i < 20; ++i) {
    Var a;
    std::mutex gil;
    std::thread waiter([&] {
      for (int k = 0; k < 50; ++k) {
        {
          std::lock_guard<std::mutex> lock(gil);
          push([] { std::this_thread::yield(); }, {}, {&a}, lane("forked", 2));
        }
        Engine::get().wait_to_read(a);
      }
    });
    gil.lock();
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      use_engine();
      _exit(0);
    }
    gil.unlock();
    use_engine();
    waiter.join();
    expect_exit(child, 0);
  }
}

void fork_on_worker() {
  Var a;
  pid_t child = -1;
  push(
      [&] {
        child = fork();
        if (child == 0) _exit(5);
      },
      {}, {&a});
  Engine::get().wait_to_read(a);
  expect_exit(child, 5);
  use_engine();
}

// Older than the engine, hence destroyed by exit() after the engine has stopped its workers.
struct Outlived {
  std::atomic<bool> is_gone{false};
  std::vector<Var> variables = std::vector<Var>(8);
  ~Outlived() {
    is_gone = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
} outlived;

void exit_with_pending_work() {
  for (int i = 0; i < 200; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      auto &variables = outlived.variables;
      for (int k = 0; k < 200; ++k) {
        auto work = [] {
          std::this_thread::sleep_for(std::chrono::microseconds(500));
          if (outlived.is_gone) _exit(9);
        };
        push(work, {&variables[k % 8]}, {&variables[(k + 1) % 8]}, lane(k % 2 ? "exit" : "exit2", 2));
      }
      if (i % 2) Engine::get().shutdown();
      exit(3);
    }
    expect_exit(child, 3);
  }
}

// Ends the engine of this process for good: the last case.
void shutdown_engine() {
  Engine &engine = Engine::get();
  Var a, b, c;
  Gate gate;
  bool has_run = false;
  struct Noted : Operation {
    bool *destroyed;
    explicit Noted(bool *d) : destroyed(d) {}
    ~Noted() override { *destroyed = true; }
    void run() override { CHECK(false); }
  };
  bool is_destroyed = false;
  push([&] { gate.pass(); }, {}, {&a}, lane("last"));
  gate.wait_arrived(1);
  push([&] { has_run = true; }, {}, {&b}, lane("last"));
  Var *reads[] = {&a}, *writes[] = {&c};
  engine.push(std::make_unique<Noted>(&is_destroyed), lane("last"), reads, writes);
  std::thread opener([&] {
    while (b.pending_writes != 0) std::this_thread::yield();  // dropped before the running one is waited for
    gate.open();
  });
  engine.shutdown();
  opener.join();
  CHECK(!has_run && is_destroyed && engine.pending() == 0 && engine.statistics().workers == 0);
  CHECK(read_failure(a).empty() && read_failure(b).find("shut down") != std::string::npos);
  engine.wait_all();
  push([&] { has_run = true; }, {&a}, {&b});  // later work runs at once
  CHECK(has_run && b.readable());
  engine.shutdown();
}

void shutdown_abandons() {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    static Var a, b;
    push([] { for (;;) pause(); }, {}, {&a}, lane("endless"));
    push([] {}, {&a}, {&b}, lane("endless"));
    Engine::get().shutdown(0.05);
    CHECK(read_failure(a).find("shut down") != std::string::npos);
    CHECK(!failure_of([] { push([] {}, {&a}, {&b}); }).empty());
    exit(4);
  }
  expect_exit(child, 4);
}

}  // namespace

int main(int argc, char **argv) {
  const TestCase cases[] = {
      {"random_programs", random_programs},
      {"many_callers", many_callers},
      {"concurrency", concurrency},
      {"destroyed_operations", destroyed_operations},
      {"repeated_variables", repeated_variables},
      {"progress_without_wait_all", progress_without_wait_all},
      {"failures", failures},
      {"naive_failures", naive_failures},
      {"interrupted_wait", interrupted_wait},
      {"flat_memory", flat_memory},
      {"fork_after_use", fork_after_use},
      {"fork_beside_waiter", fork_beside_waiter},
      {"fork_on_worker", fork_on_worker},
      {"exit_with_pending_work", exit_with_pending_work},
      {"shutdown_abandons", shutdown_abandons},
      {"shutdown_engine", shutdown_engine},
  };
  return run_cases(cases, argc, argv);
}
