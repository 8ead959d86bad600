package kubeconfig

import (
	"encoding/json"
	"io"
	"os"
)

// A mark is what mkube writes into its lock files: which process holds the lock. kubectl's
// are empty.
type mark struct {
	Program string `json:"program"`
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	system
}

// system is what tells processes of the same number apart. Empty is not known.
type system struct {
	// Machine and Boot are the numbers of the machine and of its boot, Namespace is that
	// of the PID namespace, and Start when the process began.
	Machine   string `json:"machine,omitempty"`
	Boot      string `json:"boot,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Start     string `json:"start,omitempty"`
}

const program = "mkube"

// newMark is this process'.
func newMark() mark {
	host, _ := os.Hostname() // without one no other mkube takes over
	return mark{Program: program, Host: host, PID: os.Getpid(), system: thisSystem()}
}

func (m mark) encode() []byte {
	data, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return append(data, '\n')
}

// readMark reads a lock file; ok is false for one that is not mkube's.
func readMark(from io.Reader) (m mark, ok bool) {
	const most = 4 << 10
	data, err := io.ReadAll(io.LimitReader(from, most))
	if err != nil || json.Unmarshal(data, &m) != nil {
		return mark{}, false
	}
	return m, m.Program == program && m.PID > 0
}
