package heartbeat

import (
	"encoding/pem"
	"fmt"
	"os"
)

// keySize is the smallest size of a key in bytes. It is the size of the code, as RFC 2104
// recommends.
const keySize = 32

// ReadKey returns the key in a PEM file.
func ReadKey(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the heartbeats: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || len(block.Bytes) < keySize {
		return nil, fmt.Errorf("%s contains no key of %d bytes in PEM", file, keySize)
	}
	return block.Bytes, nil
}
