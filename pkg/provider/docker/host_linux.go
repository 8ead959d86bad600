package docker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/mkube/mkube/pkg/config"
)

// availableMemory is what the kernel could give to new programs, in bytes.
func availableMemory() (bytes uint64, ok bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "MemAvailable:" {
			kib, err := strconv.ParseUint(fields[1], 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// freeDisk is what a user may still write below a folder, in bytes.
func freeDisk(dir string) (bytes uint64, ok bool) {
	var stat syscall.Statfs_t
	if dir == "" || syscall.Statfs(dir, &stat) != nil {
		return 0, false // the daemon's folder may be another machine's
	}
	return stat.Bavail * uint64(stat.Bsize), true
}

// instancesPerNode is how many inotify instances a node holds before its first
// user's pod: counted on a running one, with some to spare for pods.
const (
	instancesPerNode         = 32
	instancesPerLoadBalancer = 4
)

func neededInstances(cfg config.Cluster) int {
	balancers := cfg.Count(config.LoadBalancer)
	return (len(cfg.Nodes)-balancers)*instancesPerNode + balancers*instancesPerLoadBalancer
}

// checkInotify warns of the limit that makes pods fail with "too many open files".
// It is one for each user, and all nodes are root's.
func checkInotify(cfg config.Cluster) error {
	const file = "/proc/sys/fs/inotify/max_user_instances"
	data, err := os.ReadFile(file)
	if err != nil {
		return nil // no such limit
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	free := limit - usedInstances()
	if need := neededInstances(cfg); free < need {
		return fmt.Errorf("%d of %d inotify instances are free and the cluster needs %d, or its pods fail with \"too many open files\": sudo sysctl fs.inotify.max_user_instances=%d", free, limit, need, max(1024, limit*4))
	}
	return nil
}

// usedInstances counts root's open inotify instances as far as this user may see
// them: other users see none, and are told of limits that are low in themselves.
func usedInstances() int {
	used := 0
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, p := range processes {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		used += instancesOf("/proc/" + p.Name() + "/fd")
	}
	return used
}

func instancesOf(dir string) int {
	n := 0
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, f := range files {
		if target, err := os.Readlink(dir + "/" + f.Name()); err == nil && target == "anon_inode:inotify" {
			n++
		}
	}
	return n
}
