// Command scheduler is a user's kube-scheduler for the tests of mkube run. It prints a line that
// identifies it, and executes the component's program. With the argument "idle", it schedules nothing.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	fmt.Println("this is my own scheduler")
	if len(os.Args) > 1 && os.Args[1] == "idle" {
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		<-ended
		return
	}
	const program = "/usr/local/bin/kube-scheduler"
	args := append([]string{program}, os.Args[1:]...)
	fmt.Fprintln(os.Stderr, syscall.Exec(program, args, os.Environ()))
	os.Exit(1)
}
