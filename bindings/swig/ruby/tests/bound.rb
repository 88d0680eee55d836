# frozen_string_literal: true

# SPDX-License-Identifier: MIT
#
# Whether the module is complete: bound.rb HEADER
#
# Every public function of the header is bound under a name in Ruby, or left out for a reason; no entry is out of date;
# what waits is called with Ruby's lock released; whatever the module has is in its signatures; and what documents show
# can be compiled.

require "redislock"

HEADER = ARGV.fetch(0)
FOLDER = File.expand_path("..", __dir__)

BOUND = {
  version_number: "VERSION", version_string: "VERSION", has: "has?",
  strerror: "an error's message",
  client_new: "Client.new", url_error: "an error's message", client_free: "the collector's",
  client_set_connect_timeout_ms: "Client.new(connect_timeout:)",
  client_set_command_timeout_ms: "Client.new(command_timeout:)",
  client_set_name: "Client.new(name:)", client_set_credentials: "Client#set_credentials",
  client_set_interruptible: "always on: Ruby sees to signals and to other threads' wishes",
  client_connect: "Client#connect", client_ping: "Client#ping", client_lost_fd: "Client#lost_io",
  client_error: "an error's message", client_break: "Client#force_release",
  lock_new: "Client#lock", lock_free: "the collector's",
  lock_set_ttl_ms: "Lock#acquire(ttl:)", lock_set_renewal: "Lock#acquire(renew:)",
  lock_set_wait_ms: "Lock#acquire(wait:)", lock_set_spin_interval_ms: "Client#spin_lock(interval:)",
  lock_set_spin_growth: "Client#spin_lock(growth:)", lock_set_owner: "Client#lock(owner:)",
  lock_set_token: "Client#lock(token:)", lock_acquire: "Lock#acquire", lock_cancel: "an exception that ends a wait",
  lock_release: "Lock#release", lock_extend: "Lock#extend_lease", lock_is_held: "Lock#held?",
  lock_remaining_ms: "Lock#remaining", lock_fence: "Lock#fence", lock_token: "Lock#token",
  lock_channel: "Lock#channel", lock_place: "Lock#place", lock_error: "an error's message",
  info_get: "Client#status", info_free: "the collector's", info_locked: "Status#locked",
  info_token: "Status#token", info_owner: "Status#owner", info_remaining_ms: "Status#remaining",
  info_waiters: "Status#waiters", info_fence: "Status#fence",
  list_new: "Client#list", list_next: "Client#list", list_free: "the collector's"
}.freeze

# Called for by SWIG's or this module's C, not by name in Ruby.
IN_C = %i[client_free lock_free info_free list_free lock_cancel version_number].freeze

EVENT_LOOP = "Ruby has threads for that: they run while one waits"
QUORUM = "many masters: no face for it yet"
LEFT_OUT = {
  error_name: "errors have classes",
  lock_name: "the lock keeps the string that it was made with: Lock#name",
  client_set_tls_authorities: "the URL says it", client_set_tls_certificate: "the URL says it",
  client_set_sentinel_credentials: "the URL says it",
  client_set_tls_server_name: "the URL says it",
  client_set_min_replicas: "not offered yet; the server's min-replicas-to-write comes near to it",
  client_set_tls_unverified: "for trying things out, which another tool can do",
  client_interrupt: "Thread#raise and signals reach a waiting thread by themselves",
  lock_interrupt: "Thread#raise and signals reach a waiting thread by themselves",
  client_new_eventloop: EVENT_LOOP, client_fd: EVENT_LOOP, client_timeout_ms: EVENT_LOOP, client_dispatch: EVENT_LOOP,
  client_next_event: EVENT_LOOP, event_type: EVENT_LOOP, event_status: EVENT_LOOP, event_tag: EVENT_LOOP,
  event_lock: EVENT_LOOP, event_take_info: EVENT_LOOP, lock_start_acquire: EVENT_LOOP, lock_start_release: EVENT_LOOP,
  lock_start_extend: EVENT_LOOP, client_start_ping: EVENT_LOOP, client_start_info: EVENT_LOOP,
  client_start_break: EVENT_LOOP,
  quorum_new: QUORUM, quorum_new_eventloop: QUORUM, quorum_add_server: QUORUM, quorum_free: QUORUM,
  quorum_set_server_timeout_ms: QUORUM, quorum_set_interruptible: QUORUM, quorum_interrupt: QUORUM,
  quorum_lost_fd: QUORUM, quorum_lock_new: QUORUM, quorum_lock_free: QUORUM, quorum_lock_set_ttl_ms: QUORUM,
  quorum_lock_set_renewal: QUORUM, quorum_lock_set_wait_ms: QUORUM, quorum_lock_set_spin_interval_ms: QUORUM,
  quorum_lock_set_owner: QUORUM, quorum_lock_acquire: QUORUM, quorum_lock_release: QUORUM, quorum_lock_extend: QUORUM,
  quorum_lock_is_held: QUORUM, quorum_lock_remaining_ms: QUORUM, quorum_lock_agreed: QUORUM, quorum_lock_token: QUORUM,
  quorum_lock_name: QUORUM, quorum_lock_interrupt: QUORUM, quorum_lock_error: QUORUM, quorum_fd: QUORUM,
  quorum_timeout_ms: QUORUM, quorum_dispatch: QUORUM, quorum_next_event: QUORUM, event_quorum_lock: QUORUM,
  quorum_lock_start_acquire: QUORUM, quorum_lock_start_release: QUORUM, quorum_lock_start_extend: QUORUM,
  quorum_lock_cancel: QUORUM
}.freeze

@complaints = 0

def complain(text)
  @complaints += 1
  puts text
end

def read(*path)
  File.read(File.join(FOLDER, *path))
end

# ---- functions ----

declared = File.read(HEADER).scan(/^[a-z][^\n(]*[ *]redislock_([a-z\d_]*)\(/).flatten.map(&:to_sym)
abort "the header was misread: #{declared.size} functions" unless declared.size > 60
sources = Dir[File.join(FOLDER, "lib/**/*.rb")]
code = sources.map { |path| File.read(path).gsub(/^\s*#.*/, "") }.join
native = RedisLock.send(:const_get, :Native)

declared.each do |name|
  used = code.match?(/\bNative\.#{name}\b/)
  if BOUND[name] && LEFT_OUT[name]
    complain "#{name}: bound and left out"
  elsif BOUND[name] && !used && !IN_C.include?(name)
    complain "#{name}: bound as #{BOUND[name]}, but nowhere called"
  elsif LEFT_OUT[name] && used
    complain "#{name}: left out, but called"
  elsif !BOUND[name] && !LEFT_OUT[name]
    complain "#{name}: neither bound nor left out"
  end
end
(BOUND.keys + LEFT_OUT.keys + IN_C - declared).each { |name| complain "#{name}: no function of the header any more" }
code.scan(/\bNative\.(\w+)/).flatten.uniq.each do |name|
  complain "#{name}: called, but the raw module lacks it" unless native.respond_to?(name)
end

# ---- names in Ruby ----

def member?(where)
  owner, kind, name = where.match(/\A(?:(\w+)([.#]))?([\w?]+)/).captures
  return RedisLock.respond_to?(name) || RedisLock.const_defined?(name) if kind.nil?

  owner = RedisLock.const_get(owner)
  kind == "#" ? owner.public_method_defined?(name) : owner.respond_to?(name)
end

BOUND.each_value do |where|
  next if where.include?(" ") && !where.include?("(")

  complain "there is no #{where}" unless member?(where)
  option = where[/\((\w+):\)/, 1] or next
  owner, name = where.match(/\A(\w+)[.#](\w+)/).captures
  method = RedisLock.const_get(owner).instance_method(name == "new" ? :initialize : name)
  complain "there is no #{where}" unless method.parameters.include?([:key, option.to_sym])
end

# ---- what waits ----

waiting = read("..", "redislock.i").scan(/^%waits\(redislock_(\w+)\)/).flatten
abort "redislock.i was misread" unless waiting.size > 5
replaced = read("native.i").scan(/^#define redislock_(\w+) apart_(\w+)$/)
(waiting - replaced.map(&:first)).each { |name| complain "#{name}: may wait, but is called with Ruby's lock held" }
replaced.each { |from, to| complain "native.i: #{from} is replaced by #{to}" if from != to }

# ---- signatures ----

signatures = read("sig", "redislock.rbs")
[RedisLock, RedisLock::Client, RedisLock::Lock, RedisLock::Status].each do |owner|
  body = signatures[/^ *(?:class|module) #{owner.name.split('::').last}\b.*?(?=^ *class |\z)/m] or
    complain "no signature of #{owner}"
  names = owner.public_instance_methods(false).reject { |name| name.to_s.end_with?("=") || name == :to_s }
  names = owner.singleton_methods(false) if owner == RedisLock
  names.each do |name|
    next if body.to_s.match?(/(?:def (?:self\.)?|attr_reader |alias )#{Regexp.escape(name)}(?::|\s)/)

    complain "no signature of #{owner}'s #{name}"
  end
end
RedisLock.constants.map { |name| RedisLock.const_get(name) }.grep(Class).select { |owner| owner <= RedisLock::Error }
         .each do |error|
  line = "class #{error.name.split('::').last} < #{error.superclass.name.split('::').last}"
  complain "no signature of #{error}: #{line}" unless signatures.match?(/^\s*#{line}$/)
end

# ---- what documents show ----

shown = %w[README.md].flat_map { |path| read(path).scan(/^```ruby\n(.*?)^```/m).flatten }
abort "the documents were misread" if shown.empty?
shown.each { |text| RubyVM::InstructionSequence.compile(text) }

# ---- the gem ----

version = read("redislock.gemspec")[/spec.version = "(.*)"/, 1]
complain "the gemspec is for #{version}, the library is #{RedisLock::VERSION}" if version != RedisLock::VERSION

exit 1 if @complaints.positive?
puts "#{declared.size} functions: #{BOUND.size} bound, #{LEFT_OUT.size} left out on purpose"
