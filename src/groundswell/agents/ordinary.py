"""Words so ordinary that they are nobody's name, even where a name would stand."""

from groundswell.agents.words import IRREGULAR, STOP, stem

_WORDS = """
ability able absence accept access accident account achieve acquire act action activity actual add
addition additional address administrator advance affect age ago agree agreement aim alert allow
alternative amount analysis another answer appear application apply approach argument array arrive
article ask aspect assign assume attach attempt attention attribute authentication author authorization
available average avoid away back background bad balance bar base basis batch become begin beginning
behavior behaviour believe belong benefit best better big bit block board body book bottom boundary box
branch break bridge bring browser buffer bug build bunch bus business byte cache call caller cancel
cancellation capacity card care carry case category cause center central century certain certificate
chain chance change channel character charge chart check choice choose chunk circle city claim class
clause clean clear client clock close closed cloud code collect collection color column combination
combine come command comment commit common communicate company compare comparison complete component
compute concept concern conclude conclusion condition configuration configure confirm conflict connect
connection consequence consider consist console constant constraint consumer contact contain container
content context continue contrast contribute control conversion convert copy core corner correct cost
count country couple course cover crash create creation credential current customer cut cycle damage data
database date day deadline deal debug decade decide decision declaration declare decrease default define
degree delay delete deletion deliver demand depend dependency deploy deployment depth derive describe
description design desk detail detect determine develop developer development device differ difference
different direction directory disable discover disk display distance distinguish distribution divide do
document documentation domain door double draft drive driver drop duration early easy edge effect effort
element email emergency emit employee empty enable encoding encounter end endpoint engine enough ensure
enter entire entry environment equal error establish estimate evaluate event evidence examine example
exceed exception exchange exclude execute exist existing exit expand expect expectation experience expire
expiry explain export express expression extend extension extent extra extract face fact factor fail
failure fall fallback false fast favor feature fetch few field figure file fill filter final find finish
first fit fix flag floor flow folder follow food force foreground form format former forward foundation
fraction frame framework free full function future gain game gap gate gateway general generate get give
go goal good government grant graph great ground group grow growth guarantee half hand handle handler
hang happen hard have head header health healthy heap hear heart heavy height hello help hide high
history hold home host hour house human idea identifier identify identity ignore image impact implement
implementation imply import importance important improve improvement inactivity incident include increase
index indicate individual industry inform information inherit inheritance initial initialization
initialize input insert inside inspect instance instruction integer intend interest interface internal
internet interval introduce invalid invoke involve issue item iteration job join journey keep key
keyboard kind know label lack language large last late latency later latter launch layer lead leader leak
learn least leave left length let level library lie life lifetime light like likely limit line link list
listen listener little live load local locate location lock log logger logic long look loop lose loss low
lower machine main major majority make manage management manager manner map mark market match maximum
mean meaning measure mechanism medium meet member memory mention merge message metadata metric middle
migration minimum minute miss missing mission mistake mode model modify moment money monitor month
morning mouse move much multiple name native nature near need network new next night node noon normal
notice notification notify now null number object observation obtain occasion occur offer offset old only
open operate operation operator option optional order ordinary organize origin original other outage
output outside overflow override own owner package page pair panic parallel parameter parent parse parser
part participate particular party pass past patch path pattern pause payload peak people percent perform
performance period permission permit person phase pick piece place plan planned plant platform play
player plugin point policy pool port position possibility possible power practice prefix prepare presence
present pressure prevent previous price primary principle print priority private probe problem proceed
process produce producer product production profile program progress project proper property protect
protocol prove provide proxy public publish pull purpose push put quality quantity query question queue
quick quota race raise random range rate raw reach read reader reading ready reality realize reason
receive receiver recent recognize recommend record recovery reduce refer reference reflect refuse region
register registry regular reject relate related relation release relevant rely remain remainder remember
remote remove rename render repeat replace reply report repository represent request require requirement
research reservation reserve reset resolve resource respect respond response rest restart restore
restrict restriction result resume retain retrieve retry return reveal revision right risk road role room
root round route router row rule run runtime sake same sample satisfy save say scale scan schedule schema
school science scope score script search season second secondary section security see seem segment select
selection self send sender sense separate sequence series serve server service session set setting setup
several shape share shell shift shop short show shut shutdown side sign signal signature similar simple
simplify single site situation size skip sleep slow small software solution solve soon sort source space
special specific specification specify speed split spread stack stage stand standard start startup state
statement static status stay step stop storage store strategy stream street strict string strong
structure style subject submit subsequent succeed success sudden suffer suffix suggest suit summary
supply support suppose surface surround survive switch symbol system table tag tail take talk target task
team technology tell template temporary term terminate test text thing third thread threshold throw time
timeout today token tomorrow tool top topic total touch town trace track traffic transaction transfer
transform transition translate treat tree trial trigger trouble true trust try turn type typical
understand understanding unique unit universe unknown update upgrade upload upper usage use user usual
utility valid validate validation value variable variety various vary vendor verify version view visit
volume wait walk wall want warn warning waste watch water way web week weigh weight while whole wide
width wildcard window wish wonder word work worker workload world wrap write writer wrong year yesterday
yield young zero zone
"""
ORDINARY = frozenset(map(stem, _WORDS.split())) | frozenset(map(stem, STOP | IRREGULAR.keys()))
