package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	runDir      = "/run/mkube"
	cgroupDir   = "/sys/fs/cgroup/"
	numaDir     = "/sys/devices/system/node"
	sysResource = 24 // CAP_SYS_RESOURCE, see capabilities(7)
)

// nodeLimits adapts the kubelet and containerd to the resources and capabilities that the engine has
// granted this node, at each boot:
//
//   - The kubelet reads the node's capacity from /proc/meminfo and /sys, which show the capacity of the
//     host. If the engine limits the memory or the CPUs, files with the limits are mounted there.
//   - Without CAP_SYS_RESOURCE, no process can lower an OOM score. containerd and the kubelet are then
//     configured to continue without that.
//
// It writes /run/mkube/kubelet.env and, if needed, /run/mkube/containerd.toml.
func nodeLimits(_ []string, _, stderr io.Writer) int {
	if err := fit(); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func fit() error {
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return err
	}
	if err := limitMemory(); err != nil {
		return fmt.Errorf("limiting the memory: %w", err)
	}
	reserved, err := limitCPUs()
	if err != nil {
		return fmt.Errorf("limiting the CPUs: %w", err)
	}
	gates, err := withoutOOMScores()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(runDir, "kubelet.env"), []byte("NODE_FLAGS="+gates+" "+reserved+"\n"), 0o644)
}

func limitMemory() error {
	limit, err := firstOf("memory/memory.limit_in_bytes", "memory.max")
	if err != nil {
		return err
	}
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return err
	}
	limited, changed := limitedMeminfo(string(meminfo), limit)
	file := filepath.Join(runDir, "meminfo")
	if err := os.WriteFile(file, []byte(limited), 0o644); err != nil || !changed {
		return err
	}
	return bind(file, "/proc/meminfo")
}

// limitedMeminfo returns a /proc/meminfo, see proc_meminfo(5), with at most limit bytes of memory, and
// whether that changes a value. If limit is not a number, for example "max", there is no limit.
func limitedMeminfo(meminfo, limit string) (string, bool) {
	bytes, err := strconv.ParseUint(limit, 10, 64)
	if err != nil || bytes == 0 {
		return meminfo, false
	}
	changed := false
	lines := strings.Split(meminfo, "\n")
	for i, line := range lines {
		words := strings.Fields(line)
		if len(words) < 2 || !slices.Contains([]string{"MemTotal:", "MemFree:", "MemAvailable:"}, words[0]) {
			continue
		}
		if kilobytes, err := strconv.ParseUint(words[1], 10, 64); err == nil && kilobytes > bytes/1024 {
			words[1] = strconv.FormatUint(bytes/1024, 10)
			lines[i], changed = strings.Join(words, " "), true
		}
	}
	return strings.Join(lines, "\n"), changed
}

// limitCPUs hides the CPUs that the node cannot use, and returns a flag of the kubelet. The flag
// reserves the part of the last CPU that exceeds the limit.
func limitCPUs() (reserved string, err error) {
	limit, err := firstOf("cpu.max")
	if err != nil {
		return "", err
	}
	if limit == "" {
		quota, quotaErr := firstOf("cpu/cpu.cfs_quota_us")
		period, periodErr := firstOf("cpu/cpu.cfs_period_us")
		if err := errors.Join(quotaErr, periodErr); err != nil {
			return "", err
		}
		limit = quota + " " + period
	}
	cpus, spare := cpuLimit(limit)
	if cpus == 0 {
		return "", nil
	}
	if spare > 0 {
		reserved = fmt.Sprintf("--kube-reserved=cpu=%dm", spare)
	}
	copied := filepath.Join(runDir, "node")
	if err := os.RemoveAll(copied); err != nil {
		return "", err
	}
	_ = exec.Command("cp", "-r", numaDir, runDir).Run() // some files cannot be read, and are not needed
	if _, err := os.Stat(copied); errors.Is(err, fs.ErrNotExist) {
		return reserved, nil // a kernel without NUMA does not show CPUs there
	}
	if err := hideCPUs(copied, cpus); err != nil {
		return "", err
	}
	return reserved, bind(copied, numaDir)
}

// cpuLimit parses a quota and a period in microseconds, as in cpu.max, see
// https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files. It returns the number of
// CPUs, rounded up, and by how many thousandths of a CPU this exceeds the limit. Without a limit, both
// are 0.
func cpuLimit(limit string) (cpus, spare int) {
	words := strings.Fields(limit)
	if len(words) != 2 {
		return 0, 0
	}
	quota, err1 := strconv.Atoi(words[0])
	period, err2 := strconv.Atoi(words[1])
	if err1 != nil || err2 != nil || quota <= 0 || period <= 0 {
		return 0, 0
	}
	cpus = (quota + period - 1) / period
	return cpus, cpus*1000 - quota*1000/period
}

var cpuName = regexp.MustCompile(`^cpu([0-9]+)$`)

// hideCPUs deletes all but the first CPUs from a copy of /sys/devices/system/node.
func hideCPUs(dir string, keep int) error {
	type cpu struct {
		path   string
		number int
	}
	var all []cpu
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if m := cpuName.FindStringSubmatch(filepath.Base(path)); err == nil && m != nil {
			number, _ := strconv.Atoi(m[1]) // digits
			all = append(all, cpu{path, number})
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b cpu) int { return a.number - b.number })
	for _, c := range all[min(keep, len(all)):] {
		if err := os.Remove(c.path); err != nil {
			return err
		}
	}
	return nil
}

// withoutOOMScores configures containerd, and returns the kubelet's flag, for a node that cannot lower OOM scores.
func withoutOOMScores() (gates string, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	if grants(string(status), sysResource) {
		return "", nil
	}
	config := "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\"]\nrestrict_oom_score_adj = true\n"
	err = os.WriteFile(filepath.Join(runDir, "containerd.toml"), []byte(config), 0o644)
	return "--feature-gates=KubeletInUserNamespace=true", err
}

// grants reports whether a capability is in the bounding set of a process, by its proc_pid_status(5).
func grants(status string, capability uint) bool {
	for line := range strings.Lines(status) {
		if mask, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && bits>>capability&1 == 1
		}
	}
	return false
}

// firstOf returns the first line of the first existing file of the cgroup, or "" if none exists.
func firstOf(files ...string) (string, error) {
	for _, file := range files {
		data, err := os.ReadFile(cgroupDir + file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		line, _, _ := bytes.Cut(data, []byte("\n"))
		return string(line), err
	}
	return "", nil
}

// bind mounts a file or folder over another one.
func bind(from, to string) error {
	if out, err := exec.Command("mount", "--bind", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("mounting %s at %s: %w: %s", from, to, err, out)
	}
	return nil
}
