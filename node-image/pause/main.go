// Command pause holds a pod's namespaces: it is the first process of every pod,
// sleeps until it is told to end, and reaps the orphans that a shared PID
// namespace leaves it as their init. The contract is that of upstream's pause
// image, see
// https://kubernetes.io/docs/concepts/workloads/pods/#how-pods-manage-multiple-containers
// and https://kubernetes.io/docs/tasks/configure-pod-container/share-process-namespace/.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// reap collects every child that has ended: one SIGCHLD may stand for several.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}
