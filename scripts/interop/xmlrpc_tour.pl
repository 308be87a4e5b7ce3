#!/usr/bin/perl
# Makes the round of xmlrpc.sh with Perl's RPC::XML.
#
# Call: xmlrpc_tour.pl URL FOLDER. Logs in, imports a PKCS #12 file, activates it,
# lists, makes a multicall, and hears every fault of FOLDER/faults.tsv. Prints "ok" or
# "FAIL" and a text, a line for each thing that was checked.
use strict;
use warnings;
use MIME::Base64 qw(decode_base64);
use RPC::XML;
use RPC::XML::Client;

my ($url, $folder) = @ARGV;
my $client = RPC::XML::Client->new($url);

sub contents {
    my ($name) = @_;
    open my $file, '<:raw', "$folder/$name" or die "$folder/$name: $!\n";
    local $/ = undef;
    my $text = <$file>;
    close $file;
    return $text;
}

sub check {
    my ($text, $passed, $explanation) = @_;
    print $passed ? "ok Perl $text\n" : "FAIL Perl $text: " . ($explanation // '') . "\n";
}

# Makes a call with one struct of arguments.
sub request {
    my ($method, %members) = @_;
    return $client->send_request($method, RPC::XML::struct->new(%members));
}

# Returns the value of a reply, or undef for a fault or for no reply at all.
sub call {
    my $reply = request(@_);
    return ref $reply && !$reply->is_fault ? $reply->value : undef;
}

# Reads an argument of the table of faults.
sub argument {
    my ($column, $active) = @_;
    my ($name, $type, $text) = $column =~ /^(\w+):(\w)=(.*)$/ or die "column $column\n";
    $text =~ s/\{active\}/$active/;
    my $value =
        $type eq 'i' ? RPC::XML::int->new($text)
      : $type eq 'b' ? RPC::XML::base64->new(decode_base64($text))
      :                RPC::XML::string->new($text);
    return ($name => $value);
}

my %session = (nobody => []);
for my $role (qw(manager viewer)) {
    chomp(my $token = contents($role));
    $session{$role} = [ session => call('session.login', user => '', password => $token) ];
}
my @manager = @{ $session{manager} };
check('logs in', defined $manager[1] && length $manager[1] >= 32);

my $imported = call('certificate.import_pkcs12', @manager, password => 'interop',
    pkcs12 => RPC::XML::base64->new(contents('perl.p12')));
check('imports PKCS #12', ref $imported && $imported->{state} eq 'inactive');
my $id        = $imported->{id} // '';
my $activated = call('certificate.activate', @manager, id => $id);
check('activates it', ref $activated && $activated->{state} eq 'active' && $activated->{applied});
my $list = call('certificate.list', @manager);
check('lists it as active', 1 == grep { $_->{id} eq $id && $_->{state} eq 'active' } @{ $list // [] });

my $several = $client->send_request('system.multicall', [
    { methodName => 'gateway.default_fqdn', params => [ {@manager} ] },
    { methodName => 'certificate.active',   params => [ {@manager} ] },
    { methodName => 'no.such_method',       params => [] },
]);
my ($name, $active, $unknown) = ref $several && !$several->is_fault ? @{ $several->value } : ();
check('makes a multicall', ref $unknown && $name->[0] eq 'gateway.example' && $active->[0]{id} eq $id
    && $unknown->{faultCode} == -32601);

for my $line (split /\n/, contents('faults.tsv')) {
    my ($code, $who, $method, @columns) = split /\t/, $line;
    my $reply = request($method, @{ $session{$who} }, map { argument($_, $id) } @columns);
    check("hears $code from $method", ref $reply && $reply->is_fault && $reply->code == $code,
        ref $reply ? $reply->as_string : $reply);
}
