package docker

import (
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// boundingSet returns the capability bounding set of the process that listens on a local socket. ok
// is false if it cannot be determined.
func boundingSet(host string) (set uint64, ok bool) {
	path, isUnix := strings.CutPrefix(host, "unix://")
	if !isUnix {
		return 0, false
	}
	pid, err := peer(path)
	if err != nil || pid <= 0 {
		return 0, false
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		if hex, found := strings.CutPrefix(line, "CapBnd:"); found {
			set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return set, err == nil
		}
	}
	return 0, false
}

// peer returns the number of the process that listens on a socket, 0 if it is in another PID
// namespace.
func peer(socket string) (pid int, err error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	ctlErr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if ctlErr != nil || err != nil {
		return 0, err
	}
	return int(cred.Pid), nil
}
