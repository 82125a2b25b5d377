#include "core/rt/timer_queue.h"

#include "core/base/check.h"

namespace aquifer {

void TimerQueue::Set(Timer& timer, TimePoint deadline) {
  timer.deadline_ = deadline;
  if (!timer.armed()) {
    heap_.push_back(&timer);
    timer.index_ = heap_.size() - 1;
  }
  Up(timer.index_);
  Down(timer.index_);
}

void TimerQueue::Cancel(Timer& timer) {
  if (!timer.armed()) return;
  const std::size_t index = timer.index_;
  AQ_DCHECK(heap_[index] == &timer);
  timer.index_ = Timer::kNone;
  Timer* const last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  Place(index, last);
  Up(index);
  Down(last->index_);
}

void TimerQueue::Fire(TimePoint now) {
  while (!heap_.empty() && heap_.front()->deadline_ <= now) {
    Timer& timer = *heap_.front();
    Cancel(timer);
    timer.OnTimer();
  }
}

void TimerQueue::Place(std::size_t index, Timer* timer) {
  heap_[index] = timer;
  timer->index_ = index;
}

void TimerQueue::Up(std::size_t index) {
  Timer* const timer = heap_[index];
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (heap_[parent]->deadline_ <= timer->deadline_) break;
    Place(index, heap_[parent]);
    index = parent;
  }
  Place(index, timer);
}

void TimerQueue::Down(std::size_t index) {
  Timer* const timer = heap_[index];
  while (true) {
    std::size_t child = index * 2 + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_) ++child;
    if (timer->deadline_ <= heap_[child]->deadline_) break;
    Place(index, heap_[child]);
    index = child;
  }
  Place(index, timer);
}

}  // namespace aquifer
