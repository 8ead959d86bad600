// Command mkube runs Kubernetes clusters in containers.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mkube/mkube/pkg/cli"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	// The first signal starts the cleanup. A second one ends the process immediately.
	context.AfterFunc(ctx, stop)
	os.Exit(int(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)))
}
