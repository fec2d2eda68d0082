// Streams: work queued by the engine's thread runs on a thread of the stream's own.
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "sim.h"

namespace mx::sim {

// Shared by the stream and its thread, which is detached: the last of the two to leave frees it.
struct Stream::State {
  std::mutex mutex;
  std::condition_variable wake, idle;
  std::deque<Task> tasks;
  std::string failure;
  bool busy = false, closing = false, started = false;

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return closing || !tasks.empty(); });
      if (tasks.empty()) break;
      Task task = std::move(tasks.front());
      tasks.pop_front();
      busy = true;
      lock.unlock();
      std::string why;
      try {
        why = task();
      } catch (const std::exception& error) {
        why = error.what();
      }
      task = nullptr;
      lock.lock();
      busy = false;
      if (failure.empty()) failure = std::move(why);
      idle.notify_all();
    }
    started = false;
    idle.notify_all();
  }
  void push(std::unique_lock<std::mutex>&, Task task) {
    tasks.push_back(std::move(task));
    if (!started) {
      started = true;
      std::thread([this] { work(); }).detach();
    }
    wake.notify_one();
  }
};

namespace {

struct AllStreams {
  std::mutex mutex;
  std::set<Stream*> streams;
};
AllStreams& all() {
  static auto* streams = new AllStreams;  // never destroyed: threads outlive main()
  return *streams;
}

}  // namespace

Stream::Stream() : state_(new State) {
  std::lock_guard lock(all().mutex);
  all().streams.insert(this);
}

Stream::~Stream() {
  {
    std::lock_guard lock(all().mutex);
    all().streams.erase(this);
  }
  {
    std::unique_lock lock(state_->mutex);
    state_->closing = true;
    state_->wake.notify_one();
    state_->idle.wait(lock, [this] { return !state_->started; });
  }
  delete state_;
}

void Stream::push(Task task) {
  std::unique_lock lock(state_->mutex);
  state_->push(lock, std::move(task));
}

std::string Stream::run(Task task) {
  bool done = false;
  std::string why;
  std::unique_lock lock(state_->mutex);
  state_->push(lock, [&] {
    std::string result = task();
    std::lock_guard inner(state_->mutex);
    why = std::move(result);
    done = true;
    return std::string();  // told to the caller, who waits for it; not the stream's failure
  });
  state_->idle.wait(lock, [&] { return done && !state_->busy; });
  return why;
}

std::string Stream::synchronize() {
  std::unique_lock lock(state_->mutex);
  state_->idle.wait(lock, [this] { return state_->tasks.empty() && !state_->busy; });
  return std::exchange(state_->failure, {});
}

void Stream::after_fork_child() {
  // mx-core's engine has drained every stream before the fork; only the threads are gone. The old states are
  // left to the parent's half of history: their locks may be in any state.
  for (Stream* stream : all().streams) stream->state_ = new State;
}

}  // namespace mx::sim
