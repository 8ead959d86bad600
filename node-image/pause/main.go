// Command pause keeps the namespaces of a pod alive. It is the first process of every pod, and sleeps
// until it receives SIGINT or SIGTERM. In a shared PID namespace, it is the init process, and reaps
// orphaned processes. The contract is that of the upstream pause image, see
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

// reap reaps all children that have ended, because one SIGCHLD can stand for several children.
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
