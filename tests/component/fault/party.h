// One of the two who talk through what is tested: says so many bytes of a pattern that tells each
// place from every other, ends in some way, and keeps account of what it hears.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/io/stream.h"
#include "core/rt/scope.h"
#include "tests/component/fault/fault_stream.h"
#include "tests/support/dice.h"

namespace aquifer::test {

struct Script {
  enum class Ending : std::uint8_t {
    kFin,
    kReset,
    kSilence,  // stays and says nothing more
  };
  std::size_t say_bytes = 0;
  std::size_t piece_bytes = 1;
  Ending ending = Ending::kFin;
  std::size_t hear_bytes = SIZE_MAX;  // stops reading then
  bool leaves_after_hearing = false;  // and resets, instead of staying
  unsigned turn_percent = 0;

  // In order: says everything, ends with FIN, hears to the end.
  static Script Draw(Dice& dice, bool in_order) {
    Script script;
    script.say_bytes = dice.Size();
    script.piece_bytes = 1 + dice.Below(dice.Pick<std::size_t>({3'000, 16'384, 100'000}));
    if (script.say_bytes < 2'000 && dice.Chance(30)) script.piece_bytes = 1 + dice.Below(16);
    script.turn_percent = dice.Pick({0U, 30U});
    if (in_order) return script;
    script.ending = dice.Pick({Ending::kFin, Ending::kFin, Ending::kReset, Ending::kSilence});
    if (dice.Chance(40)) script.hear_bytes = dice.Size();
    script.leaves_after_hearing = dice.Chance(50);
    return script;
  }
  bool in_order() const { return ending == Ending::kFin && hear_bytes == SIZE_MAX; }
};

// What one party did and heard.
struct Account {
  std::size_t tried = 0;  // bytes given to Write, taken or not
  std::size_t said = 0;   // bytes that Write took
  bool fin_said = false;
  std::size_t heard = 0;
  bool garbled = false;
  bool fin_heard = false;
  Status hearing;  // the error that ended it
};

class Party {
 public:
  Party(io::StreamPtr stream, const Script& script, std::uint8_t tag, std::uint8_t other_tag,
        std::uint64_t seed)
      : stream_(std::move(stream)), script_(script), tag_(tag), other_(other_tag), dice_(seed) {}

  // Ends by its script, or when the stream does; one that stays does so until `over`.
  Task<void> Run(Event& over) {
    {
      Scope both;
      both.Spawn(Say());
      both.Spawn(Hear());
      co_await both.Join();
    }
    if (leave_.requested()) {
      stream_->Reset();
    } else if (!account_.fin_heard && account_.hearing.ok()) {
      std::ignore = co_await over.Wait(StopToken());
    }
    account_.fin_said |= !leave_.requested();  // closing says it, too
    stream_.reset();
  }

  const Account& account() const { return account_; }
  const Script& script() const { return script_; }

 private:
  // A period that no buffer size divides.
  static std::uint8_t At(std::uint8_t tag, std::size_t position) {
    return static_cast<std::uint8_t>(tag + position % 251 + position / 251 % 13);
  }

  Task<void> Say() {
    while (account_.said < script_.say_bytes) {
      const std::size_t size = std::min(script_.piece_bytes, script_.say_bytes - account_.said);
      Chunk chunk = Chunk::Allocate(size);
      const std::span<std::uint8_t> room = chunk.writable();
      for (std::size_t i = 0; i < size; ++i) room[i] = At(tag_, account_.said + i);
      chunk.Grow(size);
      account_.tried += size;
      const Status sent = co_await stream_->Write(std::move(chunk), leave_.token());
      if (!sent) co_return;
      account_.said += size;
      while (dice_.Chance(script_.turn_percent)) co_await Turn();
    }
    if (script_.ending == Script::Ending::kReset) leave_.RequestStop();
    if (script_.ending != Script::Ending::kFin) co_return;
    account_.fin_said = true;
    std::ignore = co_await stream_->ShutdownWrite(leave_.token());
  }

  Task<void> Hear() {
    while (account_.heard < script_.hear_bytes) {
      Result<Chunk> got = co_await stream_->Read(leave_.token());
      if (!got) {
        account_.hearing = got.error();
        co_return;
      }
      account_.fin_heard = got->empty();
      if (got->empty()) co_return;
      for (const std::uint8_t byte : got->bytes())
        account_.garbled |= byte != At(other_, account_.heard++);
    }
    if (script_.leaves_after_hearing) leave_.RequestStop();
  }

  io::StreamPtr stream_;
  Script script_;
  std::uint8_t tag_;
  std::uint8_t other_;
  Dice dice_;
  StopSource leave_;
  Account account_;
};

// What has to hold from a speaker to a hearer, whatever went wrong in between. `invented_fin`: a
// fault ended the direction early, and who copies cannot know.
inline void JudgeDirection(const std::string& name, const Account& speaker, const Account& hearer,
                           bool invented_fin, std::vector<std::string>& complaints) {
  const auto count = [](std::size_t n) { return std::to_string(n); };
  if (hearer.garbled) complaints.push_back(name + ": other bytes arrived than were sent");
  if (hearer.heard > speaker.tried)
    complaints.push_back(name + ": " + count(hearer.heard) + " bytes arrived of " +
                         count(speaker.tried));
  if (!hearer.fin_heard || invented_fin) return;
  if (!speaker.fin_said) complaints.push_back(name + ": an end arrived that nobody said");
  if (hearer.heard != speaker.said)
    complaints.push_back(name + ": the end arrived after " + count(hearer.heard) + " bytes of " +
                         count(speaker.said));
}

// Both ended in order and nothing was in the way.
inline void JudgeWhole(const std::string& name, const Account& speaker, const Account& hearer,
                       std::vector<std::string>& complaints) {
  if (!hearer.fin_heard || hearer.heard != speaker.said || !speaker.fin_said)
    complaints.push_back(name + ": " + std::to_string(hearer.heard) + " bytes of " +
                         std::to_string(speaker.said) + " arrived" +
                         (hearer.fin_heard ? "" : " without the end") +
                         (hearer.hearing.ok() ? "" : ", " + Describe(hearer.hearing.error())));
}

}  // namespace aquifer::test
