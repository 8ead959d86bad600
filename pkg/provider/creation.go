package provider

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrExists is the error of a Create or an Add if the cluster or node exists already. Test for it
// with errors.Is.
var ErrExists = errors.New("already exists")

// NewCreation returns the identity of one run of a command, which is unique among all commands on
// all hosts. It is readable as well: "mkube add node (process 4711 on devbox, since 21:30:05 UTC,
// id ABCDEFGH)". What the command creates carries it. So the command undoes only what it created,
// and other commands can name the one that is at work.
func NewCreation(command string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	now := time.Now().UTC().Format(time.TimeOnly)
	// 8 characters of base32 are 40 random bits: enough for uniqueness, and short to read.
	return fmt.Sprintf("mkube %s (process %d on %s, since %s UTC, id %s)", command, os.Getpid(), host, now, rand.Text()[:8])
}
