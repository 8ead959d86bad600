// Command scheduler is a kube-scheduler of one's own, for the tests of mkube run: it says
// who it is and becomes the component's program, or with the argument "idle" schedules
// nothing.
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
