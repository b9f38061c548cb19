package demo

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// never is longer than any test takes.
const never = time.Minute

func TestLoopbackBringsAReply(t *testing.T) {
	t.Parallel()
	l := new(loopback)
	defer l.close()
	at, err := l.listen(affirm)
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.exchange(t.Context(), at, new(dns.Msg).SetQuestion(qname, qtype))
	if err != nil || len(m.Answer) != 1 || !at.Addr().IsLoopback() {
		t.Errorf("got %v, %v from %v", m, err, at)
	}
}

func TestExchangeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l := new(loopback)
	defer l.close()
	asked, answer := make(chan struct{}), make(chan struct{})
	at, err := l.listen(func(q *dns.Msg) *dns.Msg {
		close(asked)
		<-answer
		return affirm(q)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer close(answer)
	ctx, cancel := context.WithTimeout(t.Context(), never)
	go func() {
		<-asked
		cancel()
	}()
	began := time.Now()
	_, err = l.exchange(ctx, at, new(dns.Msg).SetQuestion(qname, qtype))
	if took := time.Since(began); err == nil || took > patience {
		t.Errorf("got %v after %v, want an error at once", err, took)
	}
}

func TestStoryOnTheLoopbackEndsAtOnceWhenInterrupted(t *testing.T) {
	t.Parallel()
	l := new(loopback) // the fake notyet's own
	defer l.close()
	ctx, cancel := context.WithCancel(t.Context())
	var stopped time.Time
	c := Config{Fast: true, Out: io.Discard, Notyet: says(l, func(q *dns.Msg) *dns.Msg {
		stopped = time.Now()
		cancel()
		return deny(q)
	})}
	_, err := Run(ctx, c)
	if took := time.Since(stopped); !errors.Is(err, ErrInterrupted) || took > patience {
		t.Errorf("got %v after %v, want %v at once", err, took, ErrInterrupted)
	}
}

func TestServerThatIsStillAskingAnotherGetsItsReplyAtTheEnd(t *testing.T) {
	t.Parallel()
	l := new(loopback)
	first, err := l.listen(affirm)
	if err != nil {
		t.Fatal(err)
	}
	asked, closing, replied := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	second, err := l.listen(func(q *dns.Msg) *dns.Msg {
		close(asked)
		<-closing
		_, err := l.exchange(context.Background(), first, q)
		replied <- err
		return affirm(q)
	})
	if err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	go l.exchange(gone, second, new(dns.Msg).SetQuestion(qname, qtype))
	<-asked
	leave()
	time.AfterFunc(50*time.Millisecond, func() { close(closing) })
	l.close()
	if err := <-replied; err != nil {
		t.Errorf("got %v: the one that was asked had ended before", err)
	}
}
