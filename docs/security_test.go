package docs

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// benchmark has the numbers of lines in the sections of the CIS Kubernetes Benchmark 1.12 on the control
// plane, etcd and worker nodes.
var benchmark = []struct {
	section string
	count   int
}{
	{"1.1", 21}, {"1.2", 30}, {"1.3", 7}, {"1.4", 2}, {"2", 7}, {"3.1", 3}, {"3.2", 2}, {"4.1", 10}, {"4.2", 14}, {"4.3", 1},
}

// TestSecurityHasEveryLine checks that the page has each line of the benchmark, in order, and that
// each passed or has a reason. securityPage (e2e) checks that what passed is true.
func TestSecurityHasEveryLine(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("security.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([0-9.]+) \| ([^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(string(page), -1) {
		got = append(got, m[1])
		if reason, no := strings.CutPrefix(m[3], "no: "); m[3] != "passed" && (!no || len(reason) < 20) {
			t.Errorf("line %s has the result %q: want passed, or no with a reason", m[1], m[3])
		}
	}
	for _, s := range benchmark {
		for i := range s.count {
			want = append(want, fmt.Sprintf("%s.%d", s.section, i+1))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page has the lines %q; want %q", got, want)
	}
}
