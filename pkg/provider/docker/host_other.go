//go:build !linux

package docker

import "github.com/mkube/mkube/pkg/provider/hostnet"

// here knows only the addresses of this host: the daemon runs in a virtual machine, and mkube
// cannot see the files and limits there.
func here() machine {
	return machine{
		networks: hostnet.Here(),
		memory:   func() (bytes uint64, ok bool) { return 0, false },
		free:     func(string) (bytes uint64, ok bool) { return 0, false },
		kernel:   func() string { return "" },
		beside:   func(string) bool { return false },
		inotify:  func() (limit, used int, ok bool) { return 0, 0, false },
	}
}

func boundingSet(string) (set uint64, ok bool) { return 0, false }
