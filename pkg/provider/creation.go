package provider

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrExists is the error of a Create or an Add whose cluster or node exists already. Test
// for it with errors.Is.
var ErrExists = errors.New("already exists")

// NewCreation identifies one run of a command among all others, on every machine. It is
// a phrase for people as well: "mkube add node (process 4711 on devbox, since 21:30:05 UTC,
// id ABCDEFGH)". What the command makes carries it, so that the command undoes nothing but
// what it made, and others can name who is at work.
func NewCreation(command string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	now := time.Now().UTC().Format(time.TimeOnly)
	return fmt.Sprintf("mkube %s (process %d on %s, since %s UTC, id %s)", command, os.Getpid(), host, now, rand.Text()[:8])
}
