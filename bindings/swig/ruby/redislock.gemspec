# frozen_string_literal: true

# SPDX-License-Identifier: MIT

require "fileutils"

# The interface that all languages share lies a folder above; a gem has nothing above it.
FileUtils.cp(File.join(__dir__, "../redislock.i"), __dir__) if File.exist?(File.join(__dir__, "../redislock.i"))

Gem::Specification.new do |spec|
  spec.name = "redislock"
  spec.version = "1.0.0"
  spec.summary = "A distributed lock that lives in Redis or Valkey"
  spec.description = "Waiters queue and are woken in order, one at a time; a crash frees the lock by itself; every " \
                     "hold has a fencing token. Needs the C library redislock with its header, and SWIG."
  spec.authors = ["The authors of redislock"]
  spec.license = "MIT"
  spec.required_ruby_version = ">= 3.0"
  spec.files = Dir.chdir(__dir__) do
    Dir["lib/**/*.rb", "sig/*.rbs", "examples/*.rb", "README.md", "apart.[ch]", "*.i", "extconf.rb"].sort
  end
  spec.extensions = ["extconf.rb"]
  spec.metadata = { "rubygems_mfa_required" => "true" }
end
