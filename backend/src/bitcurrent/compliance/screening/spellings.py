"""Names that are one name written in different ways: each line is one, the first word stands for all.

What is in two lines is never taken for the same: Hassan is not Hussein, Ahmed is not Mohamed.
"""

from typing import Final

_LINES: Final = """
mohamed mokhamed mohammed muhammad mohammad muhamad mohamad muhammed mehmet muhamed mahomet mohd muhamet magomed
ahmed ahmad ahmet akhmed akhmad ahmat
mahmoud mahmud mehmud mahmood makhmud mahmut
hamid hameed khamid
hamed hamad
hamza hamzah khamza hamzeh
hassan hasan hassen khasan hasaan
hussein husain hussain husayn hossein hosein husein khusein hossain huseyin hussien
ali aly alii
abdul abd abdel abdal abdoul abdol abdhul
abdullah abdulla abdallah abdellah abdollah abdulah
abdulrahman abdrahman abdurrahman abdelrahman abdulrehman abdirahman abdurahman
abdulnasser abdelnasser abdulnasir abdelnasir abdelnaser
abdulaziz abdelaziz abdalaziz
abdulkarim abdelkarim abdelkrim
abu abou abo aboo
bakr bakar bekr bakir
omar umar omer omor
osama usama ousama oussama
othman uthman osman usman ousmane
yusuf youssef yousef yousif yusef josef joseph jose giuseppe jozef iosif josip youssouf yusif
ibrahim ebrahim ibraheem abraham avraham brahim ibragim abram
ismail ismael esmail ismaeel esmaeil
ishaq isaac ishak yitzhak izhak
yaqub yakub jacob yaaqob yaacov jakob yaqoub
musa mousa moussa moses moshe musaa
isa eisa issa essa
dawud daoud dawood david davud daud
suleiman sulaiman soleiman suleyman solomon sulayman souleymane suliman
khalid khaled halid chalid khalit
saleh salih salah saalih
salim saleem selim
said saeed sayeed sayid saied saidu
sayed sayyid syed sayyed seyed seyyed
jamal gamal jamaal djamal cemal dzhamal
jaafar jafar jaffar djafar djaafar cafer
ghafar ghaffar gafar gaffar ghafour ghafur
tariq tarek tarik tareq
rashid rasheed rachid raschid
karim kareem kerim
rahman rehman rahmaan rachman
rahim raheem
nasser nasir naser nasr
nabil nabeel
walid waleed oualid
faisal faysal feisal fayssal
farouk faruq farooq faruk
kamal kamel kemal
bilal belal
hisham hicham hesham
mustafa mostafa moustafa mustapha moustapha
murtaza mortaza murtadha
zayn zain zein zayne
qasim kassem qassem kasim qasem kacem
qadir kader qader kadir
ghazi gazi ghazy
zarqawi zarkawi
marzouk marzook marzuq marzuk marzoq
aisha aysha ayesha aicha
fatima fatimah fatma fatemeh
khadija khadijah hadija khadidja
maryam mariam miriam maryem marjam
zainab zaynab zeinab zeynep
aleksandr alexander aleksander alexandre alexandr oleksandr alessandro alejandro iskander aliaksandr alex sasha sandor
aleksandra alexandra oleksandra alessandra
aleksei alexei alexey aleksey oleksiy alexis aliaksei oleksii
sergei sergey serhiy sergej siarhei serge sergio serhii sergiy
dmitri dmitry dmitriy dimitri dmytro dzmitry dimitrij
yuri yuriy iurii jurij yury iouri yurii
andrei andrey andriy andrej andrew andreas andre andrii andres
nikolai nikolay mykola nicholas nikolaj nicolas nick mikalai
mikhail michael micheal mykhailo mihail mikhael miguel michel michal mike mykhaylo
vladimir volodymyr wladimir uladzimir vladimyr
vyacheslav viacheslav vjaceslav viatcheslav
yevgeny evgeny evgeniy yevgeniy eugene yevhen evgenij evgenii yauhen
ivan iwan
john jon johnny jack johann juan giovanni
gennady gennadiy gennadi hennadiy gennadii
georgy georgiy george georgi giorgos yorgos giorgi heorhiy jorge yegor georgios
grigory grigoriy grigori gregory hryhoriy
valery valeriy valeri valerii
vasily vasiliy vasyl vassily basil vasili vasilii
vitaly vitaliy vitali vitalii
anatoly anatoliy anatoli anatolii
arkady arkadiy
igor ihor
oleg oleh
olga olha
konstantin constantine kostyantyn konstantine kanstantsin
pavel pavlo paul paulo
pyotr petr peter piotr petro pedro pierre pjotr
stepan stephen steven stefan steve esteban
timofei timofey timothy tim
fyodor fedor theodore teodor fiodor
maksim maxim maksym max
ilya ilia illya iliya
natalia natalya nataliya natalie nataliia natasha
yekaterina ekaterina katherine catherine kateryna katarina kate katya
yelena elena helen olena helena
tatiana tatyana tetiana tatjana
anna ann anne hanna
maria marie mary mariya mariia
ksenia xenia kseniya
yulia julia iulia yuliya julija
svetlana svitlana
william bill will billy wilhelm guillermo liam
robert bob rob bobby roberto
richard rick dick ricardo
james jim jimmy jaime
charles carlos charlie karl carl carlo chuck
thomas tom tomas tommy
edward ed eduardo eddie eduard ted
anthony tony antonio anton antoine
joshua josh
daniel dan danny danil daniil
samuel sam
benjamin ben binyamin
matthew matt mateo matthias matteo
christopher chris kristofer cristobal
frederick fred friedrich federico
henry harry heinrich enrique
francisco francis frank franz paco pancho
ronald ron
kenneth ken
lawrence larry lorenzo
elizabeth liz beth elisabeth lizzy
margaret maggie peggy
jennifer jenny
susan sue suzanne
deborah debbie
patricia pat patty
victoria vicky viktoria
victor viktor wiktor
hugh hugo
louis luis lewis ludwig luigi
kim gim
lee yi rhee
park pak bak
choi choe
jung jong jeong chung chong
un eun
zhang chang
wang wong
chen chan tan
liu lau
huang hwang wong
xu hsu
zhou chow chou
zhao chao
li ly
nguyen nguen
kuznetsov kuznetzov
smith smyth smythe
garcia garzia
perez peres
gonzalez gonzales
rodriguez rodrigues
hernandez fernandez
""".strip()


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for line in _LINES.splitlines():
        first, *others = line.split()
        for word in (first, *others):
            table.setdefault(word, first)
    return table


CANONICAL: Final = _table()
"""Each spelling with the one that stands for its name."""

PARTICLES: Final = _set("""
ad al an and ar as ash at az ben bin bint binti bn da das de del della den der di do dos du e el i ibn kyzy la le
les of oglu ogly ould qizi saint san st ten ter the ul und van von wuld y zu zum zur
""")
"""Words in names that are written or left out as one likes."""

TITLES: Final = _set("""
alhaj alhaji ayatollah capt captain col colonel dame dr gen general hadji haj haji hajj hajji hojatoleslam ii iii
imam jr junior lady lord lt maj major maulana maulavi mawlana mawlawi miss mr mrs ms mulla mullah prof qari rev
senior shaikh shaykh sheik sheikh sir sr
""")
"""What stands before or behind a name and is none."""

COMPANY_WORDS: Final = _set("""
ag bv cjsc co company corp corporation est establishment fzc fzco fze gmbh group holding holdings inc incorporated
jsc kg limited llc llp lp ltd nv oao ohg ojsc ooo pao pjsc plc pte pty sa sarl spa srl zao
""")
"""What companies are, not what they are called."""

COMMON: Final = _set("""
abdul abdullah abu ahmed aleksandr aleksei ali andrei anna antonio begum brown carlos charles chen daniel das david
devi dmitri fatima garcia gonzalez hamed hamid hassan hernandez hua huang hussein ibrahim igor ismail ivan ivanov
james jian john jones jong juan jun jung karim kaur khalid khan kim kumar lee li liu lopez luis mahmoud maria
martinez michael mikhail min ming mohamed musa mustafa natalia nguyen nikolai oleg omar park pavel pedro perez
petrov pyotr rahman raj ram richard robert rodriguez said saleh sayed sergei shah singh smith thomas tran vladimir
wang wei william xiao yang yuri yusuf zhang
""")
"""Names that so many bear that one of them in common says less."""
