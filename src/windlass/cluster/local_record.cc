#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "windlass/base/error.h"
#include "windlass/cluster/local_record_internal.h"
#include "windlass/cluster/names.h"

namespace windlass::cluster {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kLines = 4;
constexpr std::size_t kLongest = 600;

Json SizeJson(const NodeSize& size) { return {{"cpus", size.cpus}, {"memory", size.memory}}; }

NodeSize ReadSize(const Json& json) { return {json.at("cpus"), json.at("memory")}; }

}  // namespace

Json LocalRecord::ToJson() const {
  Json all = Json::array();
  for (const LocalNode& node : nodes) {
    all.push_back({{"name", node.name},
                   {"head", node.is_head},
                   {"pid", node.session.leader.pid},
                   {"begun", node.session.leader.begun},
                   {"mark", node.session.mark},
                   {"restarts", node.restarts},
                   {"ip", node.ip}});
  }
  return {{"version", kVersion},
          {"name", name},
          {"created", created},
          {"host", host},
          {"boot", boot},
          {"python", python},
          {"python_version", python_version},
          {"ray_version", ray_version},
          {"has_dashboard", has_dashboard},
          {"dashboard_host", dashboard_host},
          {"dashboard_port", dashboard_port},
          {"port", port},
          {"temp", temp},
          {"head", SizeJson(head)},
          {"worker", SizeJson(worker)},
          {"workers", workers},
          {"nodes", all}};
}

LocalRecord LocalRecord::FromJson(std::string_view text, const std::string& what) {
  LocalRecord record;
  try {
    const Json json = ParseJson(text, what);
    if (json.at("version") != kVersion) {
      throw Error(ErrorCode::kCorrupt, fmt::format("it is of version {}, this Windlass reads {}",
                                                   json.at("version").dump(), kVersion));
    }
    record.name = json.at("name");
    record.created = json.at("created");
    record.host = json.at("host");
    record.boot = json.at("boot");
    record.python = json.at("python");
    record.python_version = json.at("python_version");
    record.ray_version = json.at("ray_version");
    record.has_dashboard = json.at("has_dashboard");
    record.dashboard_host = json.at("dashboard_host");
    record.dashboard_port = json.at("dashboard_port");
    record.port = json.at("port");
    record.temp = json.at("temp");
    record.head = ReadSize(json.at("head"));
    record.worker = ReadSize(json.at("worker"));
    record.workers = json.at("workers");
    for (const Json& one : json.at("nodes")) {
      LocalNode node;
      node.name = one.at("name");
      node.is_head = one.at("head");
      node.session = {{one.at("pid"), one.at("begun"), record.host}, one.at("mark")};
      node.restarts = one.at("restarts");
      node.ip = one.at("ip");
      record.nodes.push_back(std::move(node));
    }
    if (record.nodes.empty() || !record.nodes.front().is_head) {
      throw Error(ErrorCode::kCorrupt, "its first node is no head");
    }
    CheckClusterName(record.name);
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("the record {} of a cluster on this machine cannot be read ({}); end "
                            "what is left of it by \"ray stop\" and remove the file",
                            what, error.what()));
  }
  return record;
}

std::string LocalRecord::Url() const {
  if (!has_dashboard) return "";
  std::string host = dashboard_host;
  if (host == "0.0.0.0" || host == "::") host = "127.0.0.1";
  if (host.find(':') != host.npos) host = "[" + host + "]";
  return fmt::format("http://{}:{}", host, dashboard_port);
}

std::string LastWords(const std::filesystem::path& log) {
  std::ifstream file(log);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    std::erase_if(line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
    const bool says = std::ranges::any_of(
        line, [](unsigned char c) { return std::isalnum(c) != 0 || c >= 0x80; });
    if (!says) continue;
    lines.push_back(line);
    if (lines.size() > kLines) lines.erase(lines.begin());
  }
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : " | ") + line;
  if (text.size() > kLongest) text = "..." + text.substr(text.size() - kLongest);
  return text;
}

}  // namespace windlass::cluster
