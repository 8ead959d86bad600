package kubeconfig

import (
	"encoding/json"
	"io"
	"os"
)

// A mark is the content of mkube's lock files: the process that holds the lock. The lock files of
// kubectl are empty.
type mark struct {
	Program string `json:"program"`
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	system
}

// system distinguishes processes with the same number. A field is empty if it is unknown.
type system struct {
	// Machine and Boot are the IDs of the machine and of its boot, Namespace is that of the PID
	// namespace, and Start is the start time of the process.
	Machine   string `json:"machine,omitempty"`
	Boot      string `json:"boot,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Start     string `json:"start,omitempty"`
}

const program = "mkube"

// newMark returns the mark of this process.
func newMark() mark {
	host, _ := os.Hostname() // "" if unknown; dead also compares machine, boot and namespace
	return mark{Program: program, Host: host, PID: os.Getpid(), system: thisSystem()}
}

func (m mark) encode() []byte {
	data, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return append(data, '\n')
}

// readMark parses a lock file. ok is false if mkube has not written it.
func readMark(from io.Reader) (m mark, ok bool) {
	const most = 4 << 10 // bytes, far more than a mark has
	data, err := io.ReadAll(io.LimitReader(from, most))
	if err != nil || json.Unmarshal(data, &m) != nil {
		return mark{}, false
	}
	return m, m.Program == program && m.PID > 0
}
