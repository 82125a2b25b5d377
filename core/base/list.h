// An intrusive doubly linked list: the element carries its own links, so that joining and leaving
// allocate nothing and a member can leave without knowing which list it is in. An element is in one
// list at a time and leaves it when it dies. One thread.
#pragma once

#include "core/base/check.h"

namespace aquifer {

class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { Unlink(); }

  bool linked() const { return next_ != nullptr; }
  void Unlink() {
    if (!linked()) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  template <class T>
  friend class List;

  ListNode* next_ = nullptr;
  ListNode* previous_ = nullptr;
};

// T derives from ListNode.
template <class T>
class List {
 public:
  List() { head_.next_ = head_.previous_ = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    while (!empty()) front().ListNode::Unlink();
    head_.next_ = head_.previous_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  T& front() {
    AQ_DCHECK(!empty());
    return static_cast<T&>(*head_.next_);
  }
  void PushBack(T& element) {
    ListNode& node = element;
    AQ_DCHECK(!node.linked());
    node.previous_ = head_.previous_;
    node.next_ = &head_;
    head_.previous_->next_ = &node;
    head_.previous_ = &node;
  }
  T& PopFront() {
    T& element = front();
    element.ListNode::Unlink();
    return element;
  }
  // Calls `visit` for every element; `visit` may unlink the element it is given and no other.
  template <class F>
  void ForEach(F visit) {
    for (ListNode* node = head_.next_; node != &head_;) {
      ListNode* const next = node->next_;
      visit(static_cast<T&>(*node));
      node = next;
    }
  }

 private:
  ListNode head_;
};

}  // namespace aquifer
