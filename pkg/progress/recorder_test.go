package progress

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTee(t *testing.T) {
	t.Parallel()
	var got []string
	note := func(who string) Func {
		return func(e Event) { got = append(got, who+" "+e.Step) }
	}
	fs := []Func{note("a"), nil, note("b")}
	f := Tee(fs...)
	fs[0] = note("changed later")
	f(Event{Step: "etcd"})
	f(Event{Step: "cni"})
	Tee()(Event{})
	Tee(nil)(Event{})
	if want := []string{"a etcd", "b etcd", "a cni", "b cni"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var passed []Event
		r := &Recorder{Next: func(e Event) { passed = append(passed, e) }}
		if got := r.Events(); got != nil {
			t.Errorf("got %v of an empty Recorder, want nil", got)
		}
		r.On(Event{Step: "etcd", State: Running})
		r.On(Event{Step: "etcd", State: Done, Time: start})
		want := []Event{{Step: "etcd", State: Running, Time: time.Now()}, {Step: "etcd", State: Done, Time: start}}
		got := r.Events()
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(passed, want) {
			t.Errorf("kept %v and passed on %v, want %v", got, passed, want)
		}
		got[0].Step = "mine"
		if r.Events()[0].Step != "etcd" {
			t.Error("Events is not a copy")
		}
	})
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var r Recorder
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			r.On(Event{Step: fmt.Sprint(i), State: Done})
			_ = r.Events()
		})
	}
	wg.Wait()
	if n := len(r.Events()); n != 20 {
		t.Errorf("kept %d events, want 20", n)
	}
}
