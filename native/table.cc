#include "table.h"

#include <cerrno>
#include <unistd.h>

namespace ebpf {

namespace {

// A token is generation * 2^20 + index: positive, below 2^53, and a small integer for V8 through the first generations.
constexpr unsigned kIndexBits = 20;
constexpr uint32_t kSlots = 1U << kIndexBits;

}  // namespace

Descriptor::~Descriptor() { close(number_); }

void Descriptor::EndUse() {
  if (--uses_ == 0 && closed_) CloseBy(destroyer_);
}

void Descriptor::CloseBy(Destroyer* destroyer) {
  closed_ = true;
  destroyer_ = destroyer;
  if (uses_ > 0) return;
  if (destroyer != nullptr) return destroyer->Take(this);
  delete this;
}

int64_t Table::Insert(Resource* resource) {
  uint32_t index = 0;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (slots_.size() < kSlots) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.push_back({nullptr, 1});
  } else {
    resource->Close();
    return -ENFILE;
  }
  slots_[index].resource = resource;
  return (static_cast<int64_t>(slots_[index].generation) << kIndexBits) | index;
}

Resource* Table::Find(int64_t token) const {
  if (token < 0) return nullptr;
  const auto index = static_cast<uint32_t>(token & (kSlots - 1));
  if (index >= slots_.size() || slots_[index].generation != token >> kIndexBits) return nullptr;
  return slots_[index].resource;
}

Descriptor* Table::FindDescriptor(int64_t token, Kind kind) const {
  Resource* resource = Find(token);
  if (resource == nullptr || resource->kind() >= Kind::kMapping) return nullptr;
  if (kind != Kind::kNone && resource->kind() != kind) return nullptr;
  return static_cast<Descriptor*>(resource);
}

Resource* Table::Remove(int64_t token) {
  Resource* resource = Find(token);
  if (resource == nullptr) return nullptr;
  const auto index = static_cast<uint32_t>(token & (kSlots - 1));
  Slot& slot = slots_[index];
  slot = {nullptr, slot.generation == UINT32_MAX ? 1 : slot.generation + 1};
  free_.push_back(index);
  return resource;
}

Resource* Table::RemoveAny() {
  while (!slots_.empty()) {
    Resource* resource = slots_.back().resource;
    slots_.pop_back();
    if (resource != nullptr) return resource;
  }
  free_.clear();
  return nullptr;
}

}  // namespace ebpf
