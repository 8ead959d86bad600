package progress

import (
	"testing"
	"time"
)

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                         "0.0s",
		49 * time.Millisecond:     "0.0s",
		50 * time.Millisecond:     "0.1s",
		9999 * time.Millisecond:   "10.0s",
		99940 * time.Millisecond:  "99.9s",
		99960 * time.Millisecond:  "1m40s",
		119600 * time.Millisecond: "2m00s",
		time.Hour + time.Minute:   "61m00s",
	} {
		if got := seconds(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in    string
		ascii bool
		want  string
	}{
		{"", false, ""},
		{"one\n  two\r\n\nthree\n", false, "one; two; three"},
		{"a\x1b[2Jb\tc\x07\u009b1Ad\u2028e", false, "a [2Jb c  1Ad e"},
		{"naïve ✓ \xff", true, "na?ve ? ?"},
		{"naïve ✓ \xff", false, "naïve ✓ \ufffd"},
	} {
		if got := clean(tt.in, tt.ascii); got != tt.want {
			t.Errorf("%q (ascii %v): got %q, want %q", tt.in, tt.ascii, got, tt.want)
		}
	}
}

func TestCells(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{
		"": 0, "etcd": 4, "é": 1, "e\u0301": 1, "✓⠙·…█": 5, "映像": 4, "한국": 4,
		"ｱ": 1, "Ａ": 2, "🚀": 2, "a\u200bb": 2, "、": 2,
	} {
		if got := cells(s); got != want {
			t.Errorf("%q: got %d cells, want %d", s, got, want)
		}
	}
}

func TestCutAndPad(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		s     string
		width int
		more  string
		want  string
	}{
		{"etcd", 4, "…", "etcd"},
		{"etcd", 6, "…", "etcd  "},
		{"etcd", 3, "…", "et…"},
		{"etcd", 1, "…", "…"},
		{"etcd", 0, "…", ""},
		{"etcd", -1, "…", ""},
		{"etcd!", 4, "...", "e..."},
		{"etcd", 2, "...", ".."},
		{"映像映像", 5, "…", "映像…"},
		{"映像映像", 4, "…", "映… "},
		{"e\u0301e\u0301e\u0301", 2, "…", "e\u0301…"},
	} {
		if got := pad(tt.s, tt.width, tt.more); got != tt.want {
			t.Errorf("%q to %d: got %q, want %q", tt.s, tt.width, got, tt.want)
		}
	}
}
