#!/usr/bin/perl
# Logs in by XML-RPC with Perl's RPC::XML, lists the certificates and logs out.
# Prints "ok" or "FAIL" and a text, a line for each thing that was checked.
use strict;
use warnings;
use RPC::XML::Client;

my ($url, $token_file) = @ARGV;
open my $file, '<', $token_file or die "$token_file: $!\n";
chomp(my $token = <$file>);
close $file;

sub check {
    my ($text, $passed, $explanation) = @_;
    print $passed ? "ok $text\n" : "FAIL $text: " . ($explanation // '') . "\n";
}

my $client = RPC::XML::Client->new($url);

# Returns the value of a reply, or undef for a fault or for no reply at all.
sub call {
    my $reply = $client->send_request(@_);
    return ref $reply && !$reply->is_fault ? $reply->value : undef;
}

my $session = call('session.login', { user => '', password => $token });
check('Perl logs in', defined $session && length $session >= 32);
my $list = call('certificate.list', { session => $session });
check('Perl lists the certificates', ref $list eq 'ARRAY' && @$list > 0);
my $active = call('certificate.active', { session => $session });
check('Perl finds the active one among them',
    ref $active eq 'HASH' && 1 == grep { $_->{id} eq $active->{id} && $_->{state} eq 'active' } @{ $list // [] });
my $fault = $client->send_request('certificate.get', RPC::XML::struct->new(session => $session, id => 'no such'));
check('Perl hears a fault', ref $fault && $fault->is_fault && $fault->code == 404);
check('Perl logs out', call('session.logout', { session => $session }));
