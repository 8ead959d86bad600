package docker

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mkube/mkube/pkg/provider/hostnet"
)

// here returns the host on which mkube runs.
func here() machine {
	return machine{
		networks: hostnet.Here(), memory: availableMemory, free: freeDisk, kernel: kernelRelease, beside: besideDaemon,
		inotify: func() (limit, used int, ok bool) { return inotifyOf("/proc", os.Geteuid()) },
	}
}

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

func freeDisk(dir string) (bytes uint64, ok bool) {
	var stat unix.Statfs_t
	if dir == "" || unix.Statfs(dir, &stat) != nil {
		return 0, false // the daemon's folder may be on another host
	}
	return stat.Bavail * uint64(stat.Bsize), true
}

func kernelRelease() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}

// besideDaemon uses the peer's process number: the kernel returns 0 for a process of a PID
// namespace that is not visible from this one.
func besideDaemon(host string) bool {
	pid, err := peer(strings.TrimPrefix(host, "unix://"))
	return err == nil && pid == 0
}
