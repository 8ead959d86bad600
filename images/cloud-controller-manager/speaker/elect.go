package speaker

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// mine returns the addresses that this node must hold. For each of them, this node ranks first among
// the live nodes that may hold the address.
func (s *Speaker) mine(members []Member, claims []Claim) map[netip.Addr]bool {
	var living []string
	for _, m := range members {
		if !m.Excluded && (m.Name == s.self || s.peers.lives(m.Address, s.now)) {
			living = append(living, m.Name)
		}
	}
	mine := map[netip.Addr]bool{}
	for _, c := range claims {
		if first(living, c) == s.self {
			mine[c.Address] = true
		}
	}
	return mine
}

// first returns the node that must hold an address, or "" if no node may. The rule is
// highest-random-weight (rendezvous) hashing: when a node goes away, only its own addresses move.
func first(nodes []string, c Claim) string {
	best, highest := "", uint64(0)
	for _, n := range nodes {
		if c.On != nil && !c.On[n] {
			continue
		}
		if w := weight(n, c.Address); best == "" || w > highest || w == highest && n > best {
			best, highest = n, w
		}
	}
	return best
}

func weight(node string, a netip.Addr) uint64 {
	sum := sha256.Sum256([]byte(node + " " + a.String()))
	return binary.BigEndian.Uint64(sum[:])
}
