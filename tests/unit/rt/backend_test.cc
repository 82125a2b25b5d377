// Receiving, sending, waiting and cancelling, on every backend.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "tests/unit/rt/kernel.h"

namespace aquifer {
namespace {

using test::Kernel;
using test::kPatience;
using test::Moving;
using test::Of;
using test::Pair;

std::string Letters(std::size_t size) {
  std::string text(size, 'x');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

// Reads on the far side until `size` bytes have come, with a turn for the kernel before each.
std::string Drain(Kernel& kernel, int fd, std::size_t size) {
  std::string all;
  std::string part(100'000, 0);
  const TimePoint end = Clock::now() + kPatience;
  while (all.size() < size && Clock::now() < end) {
    kernel.Look();
    const ssize_t got = ::recv(fd, part.data(), part.size(), MSG_DONTWAIT);
    if (got > 0) all.append(part, 0, static_cast<std::size_t>(got));
  }
  return all;
}

}  // namespace

TEST_CASE("a receive that is cancelled while the kernel is out of blocks ends as cancelled") {
  EACH_BACKEND();
  const std::vector<Pair> pairs(64);  // as many as there are blocks
  std::vector<Op> busy;
  busy.reserve(pairs.size());
  for (const Pair& pair : pairs) {
    pair.Say("x");
    busy.push_back(Of(OpKind::kRecvPooled, pair.near.get()));
    kernel.Submit(busy.back());
  }
  const Pair quiet;
  Op idle = Of(OpKind::kRecvPooled, quiet.near.get());
  kernel.Submit(idle);
  kernel.Cancel(idle);
  kernel.Await(65);
  CHECK(idle.result == -ECANCELED);
}

TEST_CASE("a receive for which there was no block at first still receives") {
  EACH_BACKEND();
  const std::vector<Pair> pairs(100);
  std::vector<Op> busy;
  busy.reserve(pairs.size());
  for (const Pair& pair : pairs) {
    pair.Say("x");
    busy.push_back(Of(OpKind::kRecvPooled, pair.near.get()));
    kernel.Submit(busy.back());
  }
  kernel.Await(100);
  for (const Op& op : busy) CHECK(op.result == 1);
}

TEST_CASE("a receive waits for bytes, and for the end") {
  EACH_BACKEND();
  Pair pair;
  Op op = Of(OpKind::kRecvPooled, pair.near.get());
  kernel.Submit(op);
  CHECK(kernel.Look() == 0);
  pair.Say("hello");
  kernel.Await();
  CHECK(op.result == 5);
  kernel.Submit(op);
  pair.far.Reset();
  kernel.Await();
  CHECK(op.result == 0);
}

TEST_CASE("a receive that must not wait does not") {
  EACH_BACKEND();
  const Pair pair;
  std::string room(10, 0);
  Op op = Moving(OpKind::kRecv, pair.near.get(), room);
  op.flags = MSG_DONTWAIT;
  CHECK(kernel.Do(op) == -EAGAIN);
  pair.Say("hello");
  CHECK(kernel.Do(op) == 5);
}

TEST_CASE("a receive that wants all waits for all") {
  EACH_BACKEND();
  const Pair pair;
  std::string room(10, 0);
  Op op = Moving(OpKind::kRecv, pair.near.get(), room);
  op.flags = MSG_WAITALL;
  kernel.Submit(op);
  pair.Say("01234");
  CHECK(kernel.Look() == 0);
  CHECK(kernel.Look() == 0);
  pair.Say("56789");
  kernel.Await();
  CHECK(op.result == 10);
  CHECK(room == "0123456789");
}

TEST_CASE("a send is complete when all of it is sent") {
  EACH_BACKEND();
  const Pair pair;
  std::string bytes = Letters(3'000'000);
  Op op = Moving(OpKind::kSend, pair.near.get(), bytes);
  kernel.Submit(op);
  CHECK(kernel.Look() == 0);
  const std::string got = Drain(kernel, pair.far.get(), bytes.size());
  CHECK((got == bytes));
  if (op.in_flight) kernel.Await();
  CHECK(op.result == 3'000'000);
}

TEST_CASE("a gathered send is complete when all of it is sent, and nobody's list is changed") {
  EACH_BACKEND();
  const Pair pair;
  std::string bytes = Letters(3'000'000);
  std::vector<iovec> parts;
  for (std::size_t at = 0; at < bytes.size(); at += 12'000) parts.push_back({&bytes[at], 12'000});
  REQUIRE(parts.size() == 250);
  const std::vector<iovec> before = parts;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  Op op = Of(OpKind::kSendMessage, pair.near.get());
  op.message = &message;
  kernel.Submit(op);
  CHECK(kernel.Look() == 0);
  const std::string got = Drain(kernel, pair.far.get(), bytes.size());
  CHECK((got == bytes));
  if (op.in_flight) kernel.Await();
  CHECK(op.result == 3'000'000);
  CHECK(message.msg_iovlen == before.size());
  for (std::size_t i = 0; i < parts.size(); ++i) CHECK(parts[i].iov_base == before[i].iov_base);
}

TEST_CASE("a send that is cancelled on its way says how far it came") {
  EACH_BACKEND();
  const Pair pair;
  std::string bytes = Letters(3'000'000);
  Op op = Moving(OpKind::kSend, pair.near.get(), bytes);
  kernel.Submit(op);
  CHECK(kernel.Look() == 0);
  kernel.Cancel(op);
  kernel.Await();
  REQUIRE(op.result > 0);
  const std::string got = Drain(kernel, pair.far.get(), static_cast<std::size_t>(op.result));
  CHECK((got == bytes.substr(0, static_cast<std::size_t>(op.result))));
  std::string none(1, 0);
  CHECK(::recv(pair.far.get(), none.data(), 1, MSG_DONTWAIT) == -1);
}

TEST_CASE("a send to a peer that has gone fails, with no signal") {
  EACH_BACKEND();
  Pair pair;
  pair.far.Reset();
  std::string bytes = "late";
  Op op = Moving(OpKind::kSend, pair.near.get(), bytes);
  CHECK(kernel.Do(op) == -EPIPE);
}

TEST_CASE("reader, writer and poll wait on one descriptor and none hears what is another's") {
  EACH_BACKEND();
  const Pair pair;
  std::string bytes = Letters(3'000'000);
  Op writer = Moving(OpKind::kSend, pair.near.get(), bytes);
  Op reader = Of(OpKind::kRecvPooled, pair.near.get());
  Op poll = Of(OpKind::kPoll, pair.near.get());
  poll.poll_events = POLLRDHUP;
  for (Op* const op : {&writer, &reader, &poll}) kernel.Submit(*op);
  CHECK(kernel.Look() == 0);
  pair.Say("x");
  kernel.Await();
  CHECK(reader.result == 1);
  CHECK(writer.in_flight);
  Drain(kernel, pair.far.get(), bytes.size());
  if (writer.in_flight) kernel.Await();
  CHECK(writer.result == 3'000'000);
  CHECK(poll.in_flight);
  REQUIRE(::shutdown(pair.far.get(), SHUT_WR) == 0);
  kernel.Await();
  CHECK((poll.result & POLLRDHUP) != 0);
}

TEST_CASE("a poll tells what is there already") {
  EACH_BACKEND();
  const Pair pair;
  pair.Say("x");
  Op op = Of(OpKind::kPoll, pair.near.get());
  op.poll_events = POLLIN | POLLRDHUP;
  CHECK(kernel.Do(op) == POLLIN);
}

TEST_CASE("an operation is completed once, however late it is cancelled") {
  EACH_BACKEND();
  const Pair pair;
  pair.Say("x");
  Op ready = Of(OpKind::kRecvPooled, pair.near.get());
  kernel.Submit(ready);
  kernel.Cancel(ready);
  kernel.Await();
  CHECK((ready.result == 1 || ready.result == -ECANCELED));
  const Pair quiet;
  Op idle = Of(OpKind::kRecvPooled, quiet.near.get());
  kernel.Submit(idle);
  kernel.Cancel(idle);
  kernel.Await();
  CHECK(idle.result == -ECANCELED);
  kernel.Submit(idle);
  CHECK(kernel.Look() == 0);
  kernel.Cancel(idle);
  kernel.Await();
  CHECK(idle.result == -ECANCELED);
  for (int i = 0; i < 3; ++i) CHECK(kernel.Look() == 0);
}

TEST_CASE("a number that comes back as another file has nothing of the one before") {
  EACH_BACKEND();
  Pair first;
  const int number = first.near.get();
  Op waiting = Of(OpKind::kRecvPooled, number);
  kernel.Submit(waiting);
  CHECK(kernel.Look() == 0);
  kernel.Cancel(waiting);
  kernel.Await();
  // The open file lives on, under another number.
  const UniqueFd kept(::fcntl(number, F_DUPFD_CLOEXEC, 0));
  Pair second;
  REQUIRE(::dup3(second.near.get(), number, O_CLOEXEC) == number);
  Op other = Of(OpKind::kPoll, number);
  other.poll_events = POLLIN;
  kernel.Submit(other);
  first.Say("x");
  for (int i = 0; i < 3; ++i) CHECK(kernel.Look() == 0);
  second.Say("y");
  kernel.Await();
  CHECK(other.result == POLLIN);
}

}  // namespace aquifer
